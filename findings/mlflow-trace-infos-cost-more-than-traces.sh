#!/usr/bin/env bash
# MLflow: the infos of 100 traces are read with 301 statements, the same traces with their spans with 5.
#
# Seen on 2026-11-30 with mlflow 3.17.2 and SQLite, CPython 3.11.
# Expected: `batch_get_trace_infos`, "without loading spans", is the cheap way to read the infos of many traces. MLflow's
#           server has an endpoint for it, and uses it for review queues and for scorers.
# Seen:     it loads tags, metadata and assessments of each trace on its own, three statements a trace, when the infos
#           are converted: where the database is another machine, three round trips for each trace. `batch_get_traces`
#           and `search_traces` load them for all traces together, whatever their number.
#
# Output seen:
#   10 traces: 31 statements for batch_get_trace_infos, 5 for batch_get_traces, 4 for search_traces
#   100 traces: 301 statements for batch_get_trace_infos, 5 for batch_get_traces, 4 for search_traces
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
import sqlalchemy
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

mlflow.set_tracking_uri("sqlite:///mlflow.db")


@mlflow.trace
def answer(question):
    return question


for number in range(100):
    answer(number)
mlflow.flush_trace_async_logging(terminate=True)
store = SqlAlchemyStore("sqlite:///mlflow.db", "artifacts")
experiment = mlflow.get_experiment_by_name("Default").experiment_id
statements = []
sqlalchemy.event.listen(store.engine, "before_cursor_execute", lambda *event: statements.append(event[2]))


def counted(read):
    """The number of infos that a function returns, and of statements for them."""
    statements.clear()
    infos = read()
    return len(infos), sum(statement.startswith("SELECT") for statement in statements)


found, _ = store.search_traces([experiment], max_results=100)
for number, expected in ((10, 31), (100, 301)):
    ids = [info.trace_id for info in found[:number]]
    wanted = ", ".join(f"'{one}'" for one in ids)
    infos = counted(lambda: store.batch_get_trace_infos(ids))
    traces = counted(lambda: store.batch_get_traces(ids))
    searched = counted(
        lambda: store.search_traces([experiment], f"attributes.request_id IN ({wanted})", max_results=number)[0]
    )
    print(
        f"{number} traces: {infos[1]} statements for batch_get_trace_infos, {traces[1]} for batch_get_traces, "
        f"{searched[1]} for search_traces"
    )
    assert infos == (number, expected)
    assert traces[0] == searched[0] == number
    assert traces[1] < 10 and searched[1] < 10
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
