#!/usr/bin/env bash
# MLflow: over OTLP a tool that found nothing, [], looks like one that returned nothing; so do 0, false and "".
#
# Seen on 2026-11-30 with mlflow 3.17.2 on SQLite, CPython 3.11.
# Expected: gen_ai.tool.call.result is the span's output, whatever it is, as it is after span.set_outputs([]): an agent goes
#           on differently after "no match" than after a tool that returns nothing.
# Seen:     a result that is empty, zero or false in Python is taken for a missing one: the span has no output, in the UI
#           and in span.outputs, for judges and in exports. The arguments {} of a tool without any are not shown either.
#           A number that was sent as a text is kept: "0" is shown, 0 is not.
#
# Output seen:
#   result '[]': outputs None
#   result '': outputs None
#   result 0: outputs None
#   result False: outputs None
#   result '["a"]': outputs ['a']
#   result '0': outputs '0'
#   result 7: outputs 7
#   by MLflow's own API: outputs []
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

RESULTS = ("[]", "", 0, False, '["a"]', "0", 7)


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


def any_value(value):
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def send(result):
    """Send the span of a tool with this result; return the id of its trace."""
    trace_id, now = secrets.token_hex(16), time.time_ns()
    attributes = {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search", "gen_ai.tool.call.arguments": '{"q":"x"}',
        "gen_ai.tool.call.result": result,
    }
    span = {
        "traceId": trace_id, "spanId": secrets.token_hex(8), "name": "execute_tool search", "kind": 1,
        "startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 1000),
        "attributes": [{"key": name, "value": any_value(value)} for name, value in attributes.items()],
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
try:
    while not answers(f"{uri}/health") and server.poll() is None:
        time.sleep(1)
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment("tools")
    seen = []
    for result in RESULTS:
        (span,) = mlflow.get_trace(send(result)).data.spans
        assert span.inputs == {"q": "x"}
        seen.append(span.outputs)
        print(f"result {result!r}: outputs {span.outputs!r}")
    with mlflow.start_span("search") as own:
        own.set_outputs([])
    mlflow.flush_trace_async_logging()
    (span,) = mlflow.get_trace(own.trace_id).data.spans
    print(f"by MLflow's own API: outputs {span.outputs!r}")
finally:
    server.terminate()
    server.wait(timeout=60)
assert seen[:4] == [None] * 4 and seen[4] == ["a"] and None not in seen[5:]
assert span.outputs == []
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
