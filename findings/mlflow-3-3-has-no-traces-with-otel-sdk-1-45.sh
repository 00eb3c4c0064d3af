#!/usr/bin/env bash
# MLflow: before 3.4, with opentelemetry-sdk 1.45, no span of MLflow's tracing ends and no trace is stored.
#
# Seen on 2026-11-30 with mlflow 3.3.2 and opentelemetry-sdk 1.45.2 (and not with 1.44.0), CPython 3.11.
# Expected: mlflow 3.3.2 asks for opentelemetry-sdk >=1.9,<3, so each of these stores the trace of an @mlflow.trace function.
# Seen:     MLflow's span processor derives from the SDK's SimpleSpanProcessor without calling its constructor. Since 1.45
#           the SDK's on_end reads an attribute that the constructor sets: each end of a span raises, MLflow logs one
#           warning for it, the function returns as usual, and the experiment stays without traces. An installation
#           without pins gets there by itself, because pip takes the newest SDK. MLflow 3.4 calls the constructor.
#
# Output seen:
#   opentelemetry-sdk 1.44.0: answer 4, traces 1
#   opentelemetry-sdk 1.45.2: answer 4, traces 0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
cat >finding.py <<'PYTHON'
import sys
from importlib.metadata import version

import mlflow

mlflow.set_tracking_uri("sqlite:///mlflow.db")
sdk = version("opentelemetry-sdk")
experiment = mlflow.set_experiment(sdk)


@mlflow.trace
def add(left, right):
    return left + right


answer = add(2, 2)
traces = len(mlflow.search_traces(experiment_ids=[experiment.experiment_id], return_type="list"))
print(f"opentelemetry-sdk {sdk}: answer {answer}, traces {traces}")
assert (answer, traces) == (4, int(sys.argv[1]))
PYTHON
for run in "1.44.0 1" "1.45.2 0"; do
    read -r sdk traces <<<"$run"
    "$python" -m pip install --quiet --disable-pip-version-check \
        mlflow==3.3.2 sqlalchemy==2.0.58 "opentelemetry-api==$sdk" "opentelemetry-sdk==$sdk"
    "$python" finding.py "$traces" 2>log || { cat log >&2; exit 1; }
done
