#!/usr/bin/env bash
# MLflow: `search_traces` by `feedback.NAME = '1'` does not find a score of 1.0, and `feedback.NAME >= 1` not True.
#
# Seen on 2026-11-30 with mlflow 3.17.2, CPython 3.11.
# Expected: `=` and `>=` take the value of a score for the number that it is, as `mlflow.genai.evaluate` does for its
#           mean, and as `metrics.NAME = 1` does in `search_runs`.
# Seen:     `=` takes a quoted text alone ("Expected a quoted string value"), and compares it with the JSON of the value:
#           '1' finds the score 1 and neither 1.0 nor True, '0' no 0.0, and `!= '1'` finds what is 1.0. `>=` compares
#           numbers, and leaves True out. Which of the right answers are found depends on whether the metric returns
#           an int, a float or a bool.
#
# Output seen:
#   = '1': 1
#   = '1.0': 1.0
#   = 'true': True
#   != '1': 1.0, True, 0.0, 0
#   >= 1: 1, 1.0
#   = '0': 0
#   <= 0: 0.0, 0
#   = 1: MlflowException
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
VALUES = (1, 1.0, True, 0.0, 0)
for value in VALUES:
    with mlflow.start_span(repr(value)) as span:
        pass
    mlflow.flush_trace_async_logging()
    mlflow.log_feedback(trace_id=span.trace_id, name="exact", value=value)

EXPECTED = {
    "= '1'": ["1"],
    "= '1.0'": ["1.0"],
    "= 'true'": ["True"],
    "!= '1'": ["1.0", "True", "0.0", "0"],
    ">= 1": ["1", "1.0"],
    "= '0'": ["0"],
    "<= 0": ["0.0", "0"],
    "= 1": ["MlflowException"],
}
seen = {}
for condition in EXPECTED:
    try:
        traces = mlflow.search_traces(filter_string=f"feedback.exact {condition}", return_type="list")
    except mlflow.MlflowException as error:
        seen[condition] = [type(error).__name__]
    else:
        found = {trace.data.spans[0].name for trace in traces}
        seen[condition] = [repr(value) for value in VALUES if repr(value) in found]
    print(f"{condition}: {', '.join(seen[condition])}")
assert seen == EXPECTED
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
