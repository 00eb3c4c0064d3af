#!/usr/bin/env bash
# DSPy: with save_as_csv one failed example costs the whole evaluation, with save_as_json a metric with feedback does.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: a failed example counts as failure_score, with a file as without one; a metric that returns a Prediction, as
#           GEPA's and SemanticF1 do, is written as it is counted.
# Seen:     the columns are those of the first row, and the row of an example without prediction has another name for a
#           field that input and prediction share: csv raises ValueError. A Prediction is no JSON. Both come after the
#           last call of the model: no score and no predictions are returned, and the file is cut off.
#
# Output seen:
#   no file: 4 calls, 75.0
#   save_as_csv, all examples answered: 3 calls, 100.0
#   save_as_csv, one example failed: 4 calls, ValueError: dict contains fields not in fieldnames: 'answer'
#   no file, metric with feedback: 3 calls, 100.0
#   save_as_json, metric with feedback: 3 calls, TypeError: Object of type Prediction is not JSON serializable
#   scores.csv: 2 of 4 rows
#   scores.json: not JSON
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
import json
from pathlib import Path

import dspy

calls = []


class Program(dspy.Module):
    """Fails for one question, as when the model's server has a bad moment. It asks no model."""

    def forward(self, question):
        calls.append(question)
        if question == "third":
            raise RuntimeError("the model is down")
        return dspy.Prediction(answer="yes")


def exact(example, prediction, trace=None):
    return example.answer == prediction.answer


def with_feedback(example, prediction, trace=None):
    return dspy.Prediction(score=float(exact(example, prediction)), feedback="compare the answers")


examples = [
    dspy.Example(question=question, answer="yes").with_inputs("question")
    for question in ("first", "second", "third", "fourth")
]
seen = {}


def evaluate(name, devset, metric, **file):
    calls.clear()
    try:
        outcome = dspy.Evaluate(devset=devset, metric=metric, num_threads=1, **file)(Program()).score
    except (TypeError, ValueError) as error:
        outcome = f"{type(error).__name__}: {error}"
    seen[name] = outcome
    print(f"{name}: {len(calls)} calls, {outcome}")


answered = [example for example in examples if example.question != "third"]
evaluate("no file", examples, exact)
evaluate("save_as_csv, all examples answered", answered, exact, save_as_csv="scores.csv")
evaluate("save_as_csv, one example failed", examples, exact, save_as_csv="scores.csv")
evaluate("no file, metric with feedback", answered, with_feedback)
evaluate("save_as_json, metric with feedback", answered, with_feedback, save_as_json="scores.json")
rows = len(Path("scores.csv").read_text().splitlines()) - 1
try:
    json.loads(Path("scores.json").read_text())
    readable = "JSON"
except json.JSONDecodeError:
    readable = "not JSON"
print(f"scores.csv: {rows} of {len(examples)} rows")
print(f"scores.json: {readable}")
outcomes = [outcome if isinstance(outcome, float) else outcome.split(":")[0] for outcome in seen.values()]
assert outcomes == [75.0, 100.0, "ValueError", 100.0, "TypeError"]
assert (rows, readable) == (2, "not JSON")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
