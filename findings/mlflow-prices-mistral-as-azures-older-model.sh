#!/usr/bin/env bash
# MLflow: a call of mistral-large-latest over OTLP costs sixteen times its price: GenAI's `mistral_ai` is no provider there.
#
# Seen on 2026-11-30 with mlflow 3.17.2, CPython 3.11.
# Expected: `gen_ai.provider.name` of Mistral is `mistral_ai` in the GenAI conventions, which MLflow reads. Its catalog has
#           Mistral's price of mistral-large-latest: 0.5 and 1.5 dollars for a million tokens.
# Seen:     the catalog's name of the provider is `mistral`, and MLflow does not translate that of the conventions. It then
#           takes the model of that name from the first provider in the alphabet, Azure, whose older model costs 8 and 24
#           dollars: the trace, and all sums with it, have sixteen times the cost. With `mistral` as provider it is right.
#
# Output seen:
#   mistral_ai: {'input_cost': 8.0, 'output_cost': 24.0, 'total_cost': 32.0}
#   mistral: {'input_cost': 0.5, 'output_cost': 1.5, 'total_cost': 2.0}
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_MODEL_CATALOG_URI=
cat >finding.py <<'PYTHON'
import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

import mlflow

MILLION = 1_000_000


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


def send(provider):
    """Send the span of a call; return the id of its trace."""
    trace_id, now = secrets.token_hex(16), time.time_ns()
    texts = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": provider,
        "gen_ai.request.model": "mistral-large-latest", "gen_ai.response.model": "mistral-large-latest",
    }
    tokens = {"gen_ai.usage.input_tokens": MILLION, "gen_ai.usage.output_tokens": MILLION}
    span = {
        "traceId": trace_id, "spanId": secrets.token_hex(8), "name": "chat mistral-large-latest", "kind": 3,
        "startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 1000),
        "attributes": [
            *({"key": name, "value": {"stringValue": text}} for name, text in texts.items()),
            *({"key": name, "value": {"intValue": str(number)}} for name, number in tokens.items()),
        ],
    }
    request = urllib.request.Request(
        f"{uri}/v1/traces",
        json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode(),
        {"Content-Type": "application/json", "x-mlflow-experiment-id": experiment.experiment_id},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 200
    return f"tr-{trace_id}"


port = free_port()
uri = f"http://127.0.0.1:{port}"
server = subprocess.Popen(
    [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1",
     "--backend-store-uri", "sqlite:///mlflow.db"],
    stdout=sys.stderr,
)
costs = {}
try:
    while not answers(f"{uri}/health") and server.poll() is None:
        time.sleep(1)
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment("finding")
    for provider in ("mistral_ai", "mistral"):
        costs[provider] = mlflow.get_trace(send(provider)).info.cost
        print(f"{provider}: {costs[provider]}")
finally:
    server.terminate()
    server.wait(timeout=60)
assert costs["mistral"]["total_cost"] == 2.0 and costs["mistral_ai"]["total_cost"] == 32.0
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
