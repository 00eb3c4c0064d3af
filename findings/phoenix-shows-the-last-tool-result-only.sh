#!/usr/bin/env bash
# Phoenix: of several tool results in one message of the GenAI conventions only the last one is shown.
#
# Seen on 2026-11-28 with arize-phoenix 20.26.1, CPython 3.11.
# Expected: a message has a list of parts: the results of two tool calls can be one message, as Anthropic's models expect
#           them. Both are shown.
# Seen:     the message is turned into one with the last result's text and id. The first result, and any text beside them,
#           is gone from what is shown, although both calls are there.
#
# Output seen:
#   calls shown: ['Rome', 'Oslo']
#   results shown: ['snow']
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


calls = [
    {"type": "tool_call", "id": "1", "name": "weather", "arguments": {"city": "Rome"}},
    {"type": "tool_call", "id": "2", "name": "weather", "arguments": {"city": "Oslo"}},
]
results = [
    {"type": "tool_call_response", "id": "1", "response": "sunny"},
    {"type": "tool_call_response", "id": "2", "response": "snow"},
]
messages = [{"role": "assistant", "parts": calls}, {"role": "tool", "parts": results}]
with phoenix() as url:
    send(url, 1, 1, "chat model", {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(messages)})
    found = read(url, "chat model")["attributes"]
shown = {key: value for key, value in found.items() if key.startswith("llm.input_messages.")}
cities = [city for city in ("Rome", "Oslo") if any(city in str(value) for value in shown.values())]
weathers = [weather for weather in ("sunny", "snow") if any(weather in str(value) for value in shown.values())]
print(f"calls shown: {cities}")
print(f"results shown: {weathers}")
assert (cities, weathers) == (["Rome", "Oslo"], ["snow"])
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
