#!/usr/bin/env bash
# MLflow: a traced generator whose reader stops early has no span, and its trace never ends.
#
# Seen on 2026-11-30 with mlflow 3.17.2, CPython 3.11.
# Expected: `@mlflow.trace` on a generator records what was streamed, also if the reader leaves the loop: a user
#           closes the page, or the first piece is enough. The trace ends then.
# Seen:     the wrapper ends the span when the generator is exhausted or raises an `Exception`. Python closes a
#           generator that is left with GeneratorExit, which is none, so the span is never ended. It is not in the
#           trace, what ran inside it has a parent that does not exist, and a trace of its own stays IN_PROGRESS
#           without a request, a response and a duration. Nothing is logged.
#
# Output seen:
#   read to the end: OK, spans ['model', 'stream']
#   left after one piece: IN_PROGRESS, spans ['model']
#   closed: IN_PROGRESS, spans ['model']
#   left inside a request: OK, spans ['model', 'request']
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
import mlflow

mlflow.set_tracking_uri("sqlite:///mlflow.db")


@mlflow.trace
def model(question):
    return ["Paris ", "is ", "the ", "capital."]


@mlflow.trace
def stream(question):
    yield from model(question)


def read():
    for _ in stream("?"):
        pass


def left():
    for _ in stream("?"):
        break


def closed():
    pieces = stream("?")
    next(pieces)
    pieces.close()


@mlflow.trace
def request():
    left()


def traced(name, work):
    experiment = mlflow.set_experiment(name)
    work()
    mlflow.flush_trace_async_logging()
    (found,) = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
    spans = sorted(span.name for span in found.data.spans)
    print(f"{name}: {found.info.state.value}, spans {spans}")
    return found.info.state.value, spans


assert traced("read to the end", read) == ("OK", ["model", "stream"])
assert traced("left after one piece", left) == ("IN_PROGRESS", ["model"])
assert traced("closed", closed) == ("IN_PROGRESS", ["model"])
assert traced("left inside a request", request) == ("OK", ["model", "request"])
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
