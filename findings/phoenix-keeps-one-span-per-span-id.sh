#!/usr/bin/env bash
# Phoenix: a span whose id another trace has used, in any project, is accepted and lost.
#
# Seen on 2026-11-28 with arize-phoenix 20.26.1, CPython 3.11.
# Expected: OpenTelemetry: a span is identified by trace id and span id together; ids of spans are chosen anew in each
#           trace. A copy of a trace under a new trace id is another trace.
# Seen:     the span id alone is unique in the whole store. A second span with that id, here in another trace and another
#           project, is answered with 200 and dropped without a line. So are copies of traces that keep their span ids (a
#           replay into another project, say).
#
# Output seen:
#   first span:  status 200, found True
#   second span, in another trace and project: status 200, found False
#   third span, in the same project, with an id of its own: status 200, found True
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


with phoenix() as url:
    first = send(url, 1, 1, "first", {}), read(url, "first") is not None
    status = send(url, 2, 1, "second", {}, project="other")
    third = send(url, 3, 3, "third", {}, project="other"), read(url, "third", project="other") is not None
    second = status, read(url, "second", project="other") is not None
print(f"first span:  status {first[0]}, found {first[1]}")
print(f"second span, in another trace and project: status {second[0]}, found {second[1]}")
print(f"third span, in the same project, with an id of its own: status {third[0]}, found {third[1]}")
assert (first, second, third) == ((200, True), (200, False), (200, True))
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
