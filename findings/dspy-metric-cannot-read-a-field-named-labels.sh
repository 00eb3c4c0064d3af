#!/usr/bin/env bash
# DSPy: with a field named `labels` each example scores 0: `example.labels` is a method, and not the field.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: dspy.Example(labels=[...]) is read as `example.labels`, as fields are in DSPy's guides, or the name is refused.
# Seen:     Example and Prediction find their own methods before their fields: `labels`, `inputs`, `items`, `keys`,
#           `values`, `get`, `copy`, `completions`. A metric that compares them compares two methods, which differ always:
#           no error, no warning, and a score of 0 for a program that is right. `example["labels"]` is the field.
#
# Output seen:
#   prediction['labels']: ['billing', 'urgent']
#   prediction.labels: a method
#   example.labels == prediction.labels: 0.0
#   example['labels'] == prediction['labels']: 100.0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import dspy
from dspy.utils import DummyLM

right = ["billing", "urgent"]
dspy.configure(lm=DummyLM([{"labels": str(right)}] * 100))
program = dspy.Predict("text -> labels: list[str]")
examples = [dspy.Example(text=f"message {number}", labels=right).with_inputs("text") for number in range(4)]


def score(metric):
    return dspy.Evaluate(devset=examples, metric=metric, num_threads=1, display_progress=False)(program).score


prediction = program(text="a message")
print(f"prediction['labels']: {prediction['labels']}")
print(f"prediction.labels: {'a method' if callable(prediction.labels) else prediction.labels}")
by_dot = score(lambda example, prediction, trace=None: example.labels == prediction.labels)
print(f"example.labels == prediction.labels: {by_dot}")
by_key = score(lambda example, prediction, trace=None: example["labels"] == prediction["labels"])
print(f"example['labels'] == prediction['labels']: {by_key}")
assert prediction["labels"] == right and callable(prediction.labels) and (by_dot, by_key) == (0.0, 100.0)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
