#!/usr/bin/env bash
# MLflow: a scorer for conversations gets their turns in reverse: the last one first.
#
# Seen on 2026-12-01 with mlflow 3.17.2, CPython 3.11.
# Expected: a scorer with the parameter `session` gets the traces of a conversation in the order in which they happened,
#           as MLflow's judges read them. The documented data are those of `mlflow.search_traces()`.
# Seen:     `mlflow.genai.evaluate` hands the traces over in the order of the data, and `search_traces` returns the
#           newest first. `session[-1]` is the first turn: a scorer that asks whether the conversation ended with a
#           solution reads how it began, and scores each conversation wrong. Sorted by `order_by=["timestamp_ms ASC"]`
#           the turns are in order. Judges with `{{ conversation }}` sort the turns.
#
# Output seen:
#   search_traces(): turns ['thanks', 'try a restart', 'my phone is dead'], solved/mean 0.0
#   search_traces(order_by=["timestamp_ms ASC"]): turns ['my phone is dead', 'try a restart', 'thanks'], solved/mean 1.0
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
import time

import mlflow
from mlflow.genai.scorers import scorer

TURNS = ["my phone is dead", "try a restart", "thanks"]
seen = []


@mlflow.trace
def turn(text):
    mlflow.update_current_trace(metadata={"mlflow.trace.session": "support-1"})
    return text


@scorer
def solved(session):
    texts = [trace.data.spans[0].inputs["text"] for trace in session]
    seen.append(texts)
    return texts[-1] == "thanks"


def evaluate(**options):
    seen.clear()
    with contextlib.redirect_stdout(io.StringIO()):
        result = mlflow.genai.evaluate(data=mlflow.search_traces(**options), scorers=[solved])
    (texts,) = seen
    text = "".join(f"{name}={value}" for name, value in options.items()).replace("'", '"')
    mean = float(result.metrics["solved/mean"])
    print(f"search_traces({text}): turns {texts}, solved/mean {mean}")
    return texts, mean


mlflow.set_tracking_uri("sqlite:///mlflow.db")
for text in TURNS:
    turn(text)
    time.sleep(0.01)
mlflow.flush_trace_async_logging()
assert evaluate() == (TURNS[::-1], 0.0)
assert evaluate(order_by=["timestamp_ms ASC"]) == (TURNS, 1.0)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
