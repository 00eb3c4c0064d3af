#!/usr/bin/env bash
# MLflow: `@scorer(aggregations=["min", "p90"])` gives neither where the scorer names its feedback itself: it gives a mean.
#
# Seen on 2026-11-30 with mlflow 3.17.2, CPython 3.11.
# Expected: `aggregations` are the "aggregation functions to apply to the scorer's output": of a scorer that returns a
#           `Feedback` with a name of its own, or several, each has these aggregations.
# Seen:     the aggregations are looked up by the name of the feedback among the names of the scorers. One that is named
#           otherwise has the default, a mean that was not asked for; minimum and percentile are missing, in the result
#           and in the run, without a warning. `pass_if` is looked up in the same way: the right answers of such a scorer
#           fail.
#
# Output seen:
#   a number: latency/min 1.0, latency/p90 2.8
#   feedback without a name: latency/min 1.0, latency/p90 2.8
#   feedback with a name: seconds/mean 2.0
#   two with names: input_length/mean 5.0, seconds/mean 2.0
#   pass_if, a number: passed True
#   pass_if, feedback with a name: passed False
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
from mlflow.entities import Feedback
from mlflow.genai.scorers import scorer

mlflow.set_tracking_uri("sqlite:///mlflow.db")
DATA = [{"inputs": {"question": f"{n}+1=?"}, "outputs": float(n)} for n in (1, 2, 3)]
RETURNED = {
    "a number": lambda outputs: outputs,
    "feedback without a name": lambda outputs: Feedback(value=outputs),
    "feedback with a name": lambda outputs: Feedback(name="seconds", value=outputs),
    "two with names": lambda outputs: [
        Feedback(name="seconds", value=outputs), Feedback(name="input_length", value=5.0)
    ],
}
seen = {}
for title, feedback in RETURNED.items():

    @scorer(aggregations=["min", "p90"])
    def latency(outputs, feedback=feedback):
        return feedback(outputs)

    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        metrics = mlflow.genai.evaluate(data=DATA, scorers=[latency]).metrics
    seen[title] = {name: round(float(value), 3) for name, value in sorted(metrics.items())}
    print(f"{title}: {', '.join(f'{name} {value}' for name, value in seen[title].items())}")
assert seen["a number"] == seen["feedback without a name"] == {"latency/min": 1.0, "latency/p90": 2.8}
assert seen["feedback with a name"] == {"seconds/mean": 2.0}
assert seen["two with names"] == {"seconds/mean": 2.0, "input_length/mean": 5.0}
passed = []
for title in ("a number", "feedback with a name"):

    @scorer(pass_if=lambda seconds: seconds < 5)
    def latency(outputs, feedback=RETURNED[title]):
        return feedback(outputs)

    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        passed.append(mlflow.genai.evaluate(data=DATA, scorers=[latency]).passed)
    print(f"pass_if, {title}: passed {passed[-1]}")
assert passed == [True, False]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
