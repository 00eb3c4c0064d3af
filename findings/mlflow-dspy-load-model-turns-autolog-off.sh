#!/usr/bin/env bash
# MLflow: mlflow.dspy.load_model switches tracing off for the whole process if the model was logged without it.
#
# Seen on 2026-11-29 with mlflow 3.17.2, dspy 3.4.1, CPython 3.11.
# Expected: autolog() at the start of a process, then load_model: calls of the loaded program are traced.
# Seen:     a model is saved with DSPy's settings, the callbacks among them, and load_model sets all of them. The
#           callback that autolog() registered is gone; neither the loaded program nor any other is traced, and no line
#           of the log names it. autolog() must be called after each load_model.
#
# Output seen:
#   a call after autolog(): 1 traces
#   a call of the loaded program: 0 traces
#   the first program again: 0 traces
#   after autolog() once more: 1 traces
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
from dspy.utils import DummyLM

logging.disable(logging.WARNING)
mlflow.set_tracking_uri("sqlite:///mlflow.db")
experiment = mlflow.set_experiment("finding")
dspy.configure(lm=DummyLM([{"answer": "yes"}] * 10))
model = mlflow.dspy.log_model(dspy.Predict("question -> answer"), name="program", pip_requirements=["dspy"])
seen = {}


def traced(name, program):
    before = count()
    program(question="1+1")
    seen[name] = count() - before
    print(f"{name}: {seen[name]} traces")


def count():
    mlflow.flush_trace_async_logging()
    return len(mlflow.search_traces(locations=[experiment.experiment_id], return_type="list"))


own = dspy.Predict("question -> answer")
mlflow.dspy.autolog()
traced("a call after autolog()", own)
loaded = mlflow.dspy.load_model(model.model_uri)
traced("a call of the loaded program", loaded)
traced("the first program again", own)
mlflow.dspy.autolog()
traced("after autolog() once more", own)
assert list(seen.values()) == [1, 0, 0, 1]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
