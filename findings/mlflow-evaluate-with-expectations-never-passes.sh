#!/usr/bin/env bash
# MLflow: `result.passed` of `mlflow.genai.evaluate` is False for rows with expected answers, though each scorer passes.
#
# Seen on 2026-11-30 with mlflow 3.17.2, CPython 3.11.
# Expected: `EvaluationResult.passed` is "True when every scorer passed for every row". A scorer that returns True for
#           each row passes.
# Seen:     each column of the result whose name ends in `/value` is taken for a scorer's, and the expectations of the
#           rows are such columns: an expected answer 'Paris' is a score that is neither yes nor True, and fails. So
#           does an expected number. `passed` is True only without expectations, or where all of them are yes or True.
#           `reason` names the expectation as a scorer, and asks for a `pass_if` that it cannot have.
#
# Output seen:
#   without expectations: mean 1.0, passed True
#   expected 'Paris': mean 1.0, passed False: "answer: returned 'Paris'; assertions need a yes/no rating or a bool."
#   expected 42: mean 1.0, passed False: "answer: returned 42.0; assertions need a yes/no rating or a bool."
#   expected 'yes': mean 1.0, passed True
#   expected 'no': mean 1.0, passed False: "answer: value='no'"
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
cat >finding.py <<'PYTHON'
import contextlib
import os

import mlflow
from mlflow.genai.scorers import scorer

mlflow.set_tracking_uri("sqlite:///mlflow.db")
passed = []


@scorer
def exact(outputs, expectations):
    return expectations is None or outputs == expectations.get("answer", outputs)


def evaluated(title, answer, **further):
    """Evaluate a right answer; show whether the evaluation has passed."""
    row = {"inputs": {"question": "What is it?"}, "outputs": answer, **further}
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        result = mlflow.genai.evaluate(data=[row], scorers=[exact])
    mean = float(result.metrics["exact/mean"])
    reason = f': "{result.reason.split(" Declare")[0]}"' if result.reason else ""
    print(f"{title}: mean {mean}, passed {result.passed}{reason}")
    assert mean == 1.0
    passed.append(result.passed)


evaluated("without expectations", "Paris")
for answer in ("Paris", 42, "yes", "no"):
    evaluated(f"expected {answer!r}", answer, expectations={"answer": answer})
assert passed == [True, False, False, True, False]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
