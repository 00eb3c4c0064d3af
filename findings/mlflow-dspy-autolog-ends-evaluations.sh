#!/usr/bin/env bash
# MLflow: with mlflow.dspy.autolog() a metric that fails for one example ends the whole evaluation.
#
# Seen on 2026-11-29 with mlflow 3.17.2, dspy 3.4.1, CPython 3.11.
# Expected: autologging changes no result: dspy.Evaluate counts an example whose metric raises as failure_score and goes
#           on.
# Seen:     the metric is wrapped in a function that logs the error as one of autologging and returns None. Evaluate
#           adds up None and raises TypeError once all examples have been paid for: no score. Optimizers evaluate in the
#           same way, so a compile that worked before autolog() fails after it.
#
# Output seen:
#   without autologging: 75.0
#   with autologging: TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 dspy==3.4.1
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import logging

import dspy
import mlflow

logging.disable(logging.WARNING)


class Program(dspy.Module):
    """Asks no model."""

    def forward(self, question):
        return dspy.Prediction(answer="yes")


def metric(example, prediction, trace=None):
    """Fails for an example without a reference."""
    return example.answer == prediction.answer


def evaluate():
    try:
        return dspy.Evaluate(devset=examples, metric=metric, num_threads=1)(Program()).score
    except TypeError as error:
        return f"TypeError: {error}"


examples = [dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(3)]
examples.append(dspy.Example(question="question 3").with_inputs("question"))
before = evaluate()
print(f"without autologging: {before}")
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
mlflow.dspy.autolog()
after = evaluate()
print(f"with autologging: {after}")
assert before == 75.0 and str(after).startswith("TypeError")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
