#!/usr/bin/env bash
# MLflow: rows for which the program failed can raise a score: mlflow.genai.evaluate leaves them out of the mean.
#
# Seen on 2026-11-28 with mlflow 3.17.2, CPython 3.11.
# Expected: three of four predictions raise: the score is 0.25 at most, or there is none.
# Seen:     a row without output is still scored, with None. A scorer that calls a method of the output raises, and only
#           values that were returned enter the mean, which is 1.0; the same comparison written so that it takes None
#           gives 0.25. The run is FINISHED. The log's warning names the scorer's failures, not the program's.
#
# Output seen:
#   predictions that raised: 3 of 4
#   exact/mean: 1.0
#   exact_or_none/mean: 0.25
#   run: FINISHED
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
import io

import mlflow
from mlflow.genai.scorers import scorer

failed = []


def predict(question):
    if question != "first":
        failed.append(question)
        raise RuntimeError("the model is down")
    return "yes"


@scorer
def exact(outputs, expectations):
    return outputs.strip() == expectations["answer"]


@scorer
def exact_or_none(outputs, expectations):
    return outputs == expectations["answer"]


mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
rows = [
    {"inputs": {"question": question}, "expectations": {"answer": "yes"}}
    for question in ("first", "second", "third", "fourth")
]
with contextlib.redirect_stdout(io.StringIO()), mlflow.start_run() as run:
    metrics = mlflow.genai.evaluate(data=rows, predict_fn=predict, scorers=[exact, exact_or_none]).metrics
status = mlflow.get_run(run.info.run_id).info.status
print(f"predictions that raised: {len(failed)} of {len(rows)}")
for name in ("exact/mean", "exact_or_none/mean"):
    print(f"{name}: {float(metrics[name])}")
print(f"run: {status}")
assert (metrics["exact/mean"], metrics["exact_or_none/mean"], status) == (1.0, 0.25, "FINISHED")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
