#!/usr/bin/env bash
# Phoenix: the output of a span of the GenAI conventions is its response's id and model instead of the answer.
#
# Seen on 2026-11-28 with arize-phoenix 20.26.1, CPython 3.11.
# Expected: gen_ai.output.messages is what the model answered, and so the output of the span.
# Seen:     Phoenix turns the messages into llm.output_messages, but makes output.value, the column `output` of its tables,
#           its exports and its evaluations, of gen_ai.response.id and gen_ai.response.model. A span without these two has
#           no output at all. It makes no input.value of the input messages either.
#
# Output seen:
#   message: 'four'
#   output.value: '{"id": "response-1", "model": "model-2026"}'
#   input.value: None
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check arize-phoenix==20.26.1 arize-phoenix-client==3.5.0
cd "$folder"
cat >finding.py <<'PYTHON'
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from phoenix.client import Client


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def phoenix():
    port = free_port()
    settings = {
        "PHOENIX_WORKING_DIR": os.getcwd(),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    command = [os.path.join(os.path.dirname(sys.executable), "phoenix"), "serve"]
    with open("phoenix.log", "wb") as log:
        server = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/healthz").close()
                break
            time.sleep(1)
        yield url
    finally:
        server.terminate()
        server.wait()


def send(url, trace_id, span_id, name, attributes, project="finding"):
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    found = resource.resource.attributes.add(key="openinference.project.name")
    found.value.string_value = project
    span = resource.scope_spans.add().spans.add(trace_id=bytes([trace_id] * 16), span_id=bytes([span_id] * 8), name=name)
    span.start_time_unix_nano = time.time_ns()
    span.end_time_unix_nano = time.time_ns()
    for key, value in attributes.items():
        span.attributes.add(key=key).value.string_value = value
    headers = {"Content-Type": "application/x-protobuf"}
    body = request.SerializeToString()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/traces", data=body, headers=headers)) as answer:
        return answer.status


def read(url, name, project="finding"):
    """The span of that name, once Phoenix has it; None after ten seconds."""
    for _ in range(20):
        with contextlib.suppress(Exception):
            for span in Client(base_url=url).spans.get_spans(project_identifier=project):
                if span["name"] == name:
                    return span
        time.sleep(0.5)
    return None


question = [{"role": "user", "parts": [{"type": "text", "content": "2+2?"}]}]
answer = [{"role": "assistant", "parts": [{"type": "text", "content": "four"}], "finish_reason": "stop"}]
attributes = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "model",
    "gen_ai.response.model": "model-2026",
    "gen_ai.response.id": "response-1",
    "gen_ai.input.messages": json.dumps(question),
    "gen_ai.output.messages": json.dumps(answer),
}
with phoenix() as url:
    send(url, 1, 1, "chat model", attributes)
    found = read(url, "chat model")["attributes"]
print(f"message: {found['llm.output_messages.0.message.content']!r}")
print(f"output.value: {found.get('output.value')!r}")
print(f"input.value: {found.get('input.value')!r}")
assert json.loads(found["output.value"]) == {"id": "response-1", "model": "model-2026"}
assert "input.value" not in found
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
