#!/usr/bin/env bash
# Phoenix: the tokens of embedding calls are not counted, and have no cost, whatever price is set for the model.
#
# Seen on 2026-11-30 with arize-phoenix 20.26.1, CPython 3.11.
# Expected: `gen_ai.usage.input_tokens` of an `embeddings` span of the GenAI conventions is in the tokens of its trace and
#           of the project, and is priced, as that of a `chat` span.
# Seen:     Phoenix keeps the count as an attribute, `llm.token_count.prompt`, and counts tokens and costs of spans of the
#           kind LLM alone. A program that embeds a corpus of a million tokens has as many tokens as its chat calls have.
#           The price list has no embedding model either.
#
# Output seen:
#   chat: kind llm, 1000000 tokens, cost {'total': {'cost': 0.15}}
#   embeddings: kind embedding, 0 tokens, cost None
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check arize-phoenix==20.26.1
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


def post(url, body, content_type):
    request = urllib.request.Request(url, data=body, headers={"Content-Type": content_type})
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def send(url, number, name, attributes):
    """One span, in a trace of its own."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="openinference.project.name").value.string_value = "finding"
    span = resource.scope_spans.add().spans.add(trace_id=bytes([number] * 16), span_id=bytes([number] * 8), name=name)
    span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns()
    for key, value in attributes.items():
        found = span.attributes.add(key=key).value
        if isinstance(value, int):
            found.int_value = value
        else:
            found.string_value = value
    post(f"{url}/v1/traces", request.SerializeToString(), "application/x-protobuf")


QUERY = """{projects {edges {node {name spans(first: 100) {edges {node {
    name spanKind tokenCountTotal costSummary {total {cost}}}}}}}}}"""


def read(url, count):
    """That many spans by name, once Phoenix has them."""
    for _ in range(60):
        answer = json.loads(post(f"{url}/graphql", json.dumps({"query": QUERY}).encode(), "application/json"))
        projects = {edge["node"]["name"]: edge["node"]["spans"]["edges"] for edge in answer["data"]["projects"]["edges"]}
        spans = {edge["node"]["name"]: edge["node"] for edge in projects.get("finding", [])}
        if len(spans) == count:
            return spans
        time.sleep(0.5)
    raise TimeoutError(spans)


def usage(operation):
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini" if operation == "chat" else "text-embedding-3-small",
        "gen_ai.usage.input_tokens": 1_000_000,
        "gen_ai.usage.output_tokens": 0,
    }


with phoenix() as url:
    for number, operation in enumerate(("chat", "embeddings"), 1):
        send(url, number, operation, usage(operation))
    spans = read(url, 2)
for name, span in spans.items():
    print(f"{name}: kind {span['spanKind']}, {span['tokenCountTotal']} tokens, cost {span['costSummary']}")
assert spans["chat"]["tokenCountTotal"] == 1_000_000 and spans["chat"]["costSummary"]["total"]["cost"] > 0
assert spans["embeddings"]["tokenCountTotal"] == 0 and spans["embeddings"]["costSummary"] is None
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
