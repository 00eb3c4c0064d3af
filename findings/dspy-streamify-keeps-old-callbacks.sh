#!/usr/bin/env bash
# DSPy: a streamed program calls the callbacks that were configured when streamify was called, not those of today.
#
# Seen on 2026-11-29 with dspy 3.4.1, mlflow 3.17.2, CPython 3.11.
# Expected: a program that is wrapped with streamify when its module is imported is traced once autolog() is called, as
#           the program itself is.
# Seen:     streamify copies the list of callbacks, and each stream runs with that copy. Tracing that is switched on
#           later, MLflow's or any other that is a callback of DSPy, has no streamed call, and the same program called
#           without streaming has all of them.
#
# Output seen:
#   the program: 1 traces
#   streamify() after autolog(): 1 traces
#   streamify() before autolog(): 0 traces
#   autolog(disable=True), streamify() while it was on: 1 traces
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
import asyncio

import dspy
import mlflow
from dspy.utils import DummyLM

mlflow.set_tracking_uri("sqlite:///mlflow.db")
experiment = mlflow.set_experiment("finding")
dspy.configure(lm=DummyLM([{"answer": "yes"}] * 10))
program = dspy.Predict("question -> answer")
seen = {}


def traced(name, call):
    before = count()
    call()
    seen[name] = count() - before
    print(f"{name}: {seen[name]} traces")


def count():
    mlflow.flush_trace_async_logging()
    return len(mlflow.search_traces(locations=[experiment.experiment_id], return_type="list"))


def consume(stream):
    async def run():
        return [value async for value in stream(question="1+1")]

    return lambda: asyncio.run(run())


early = dspy.streamify(program)
mlflow.dspy.autolog()
late = dspy.streamify(program)
traced("the program", lambda: program(question="1+1"))
traced("streamify() after autolog()", consume(late))
traced("streamify() before autolog()", consume(early))
mlflow.dspy.autolog(disable=True)
traced("autolog(disable=True), streamify() while it was on", consume(late))
assert list(seen.values()) == [1, 1, 0, 1]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
