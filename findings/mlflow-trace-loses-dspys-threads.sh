#!/usr/bin/env bash
# MLflow: inside @mlflow.trace the calls of dspy.Parallel and Module.batch are traces of their own.
#
# Seen on 2026-11-29 with mlflow 3.17.2 and dspy 3.4.1, CPython 3.11.
# Expected: with mlflow.dspy.autolog() a request's trace has all DSPy calls that the request made: one trace.
# Seen:     MLflow keeps its active span in a context variable, which DSPy's threads do not get (its settings and the
#           ancestry of its callbacks they do). Each call on such a thread begins a trace, and that of the request has
#           neither its spans nor its tokens.
#
# Output seen:
#   one by one: 1 trace, spans [13]
#   Parallel: 4 traces, spans [1, 4, 4, 4]
#   batch: 4 traces, spans [1, 4, 4, 4]
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 dspy==3.4.1
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import dspy
import mlflow
from dspy.utils import DummyLM

mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.dspy.autolog()
program = dspy.Predict("question -> answer")
examples = [dspy.Example(question=question).with_inputs("question") for question in ("1+1", "2+0", "0+2")]


def one_by_one():
    return [program(question=example.question) for example in examples]


def parallel():
    return dspy.Parallel(num_threads=2, disable_progress_bar=True)([(program, example) for example in examples])


def batch():
    return program.batch(examples, num_threads=2, disable_progress_bar=True)


def traced(name, work):
    experiment = mlflow.set_experiment(name)
    with dspy.context(lm=DummyLM([{"answer": "2"}] * 3)):
        answers = mlflow.trace(work, name="request")()
    assert [found.answer for found in answers] == ["2"] * 3
    mlflow.flush_trace_async_logging()
    found = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
    spans = sorted(len(trace.data.spans) for trace in found)
    print(f"{name}: {len(found)} {'trace' if len(found) == 1 else 'traces'}, spans {spans}")
    return spans


assert traced("one by one", one_by_one) == [13]
assert traced("Parallel", parallel) == [1, 4, 4, 4]
assert traced("batch", batch) == [1, 4, 4, 4]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
