#!/usr/bin/env bash
# MLflow: of a request over OTLP with 101 traces none is linked to the run that it names, and its status is 200.
#
# Seen on 2026-11-29 with mlflow 3.17.2 on SQLite, CPython 3.11.
# Expected: x-mlflow-run-id links the traces of a request to a run, however many there are: OpenTelemetry's batch
#           processor sends up to 512 spans at once by default, and a Collector thousands.
# Seen:     at most 100 traces can be linked at a time. With one more the spans are stored, the error is a line in the
#           server's log, and the run has none of the traces: an evaluation of short programs loses its run batch by
#           batch.
#
# Output seen:
#   100 traces in a request: status 200, 100 stored, 100 linked to the run
#   101 traces in a request: status 200, 101 stored, 0 linked to the run
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

import mlflow
from mlflow import MlflowClient


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def send(traces, run_id):
    """Send a request with one span of each of so many traces, as a batch processor does; return the status."""
    now = time.time_ns()
    spans = [
        {"traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": "call", "kind": 1,
         "startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 1000)}
        for _ in range(traces)
    ]
    request = urllib.request.Request(
        f"{uri}/v1/traces",
        json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode(),
        {"Content-Type": "application/json", "x-mlflow-experiment-id": experiment.experiment_id,
         "x-mlflow-run-id": run_id},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.status


port = free_port()
uri = f"http://127.0.0.1:{port}"
server = subprocess.Popen(
    [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1",
     "--backend-store-uri", "sqlite:///mlflow.db"],
    stdout=sys.stderr,
)
try:
    while not answers(f"{uri}/health") and server.poll() is None:
        time.sleep(1)
    mlflow.set_tracking_uri(uri)
    client, seen = MlflowClient(), {}
    for number in (100, 101):
        experiment = mlflow.set_experiment(f"traces {number}")
        run_id = client.create_run(experiment.experiment_id).info.run_id
        status = send(number, run_id)
        stored = mlflow.search_traces(
            locations=[experiment.experiment_id], max_results=1000, return_type="list", include_spans=False
        )
        linked = mlflow.search_traces(
            locations=[experiment.experiment_id], run_id=run_id, max_results=1000, return_type="list",
            include_spans=False,
        )
        seen[number] = (status, len(stored), len(linked))
        print(f"{number} traces in a request: status {status}, {len(stored)} stored, {len(linked)} linked to the run")
finally:
    server.terminate()
    server.wait(timeout=60)
assert seen == {100: (200, 100, 100), 101: (200, 101, 0)}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
