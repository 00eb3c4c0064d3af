#!/usr/bin/env bash
# Phoenix: a model whose name contains the name of another one has its price: a local marco-o1 costs as much as OpenAI's o1.
#
# Seen on 2026-11-30 with arize-phoenix 20.26.1, CPython 3.11.
# Expected: Phoenix prices a span by the model and its provider. A model that it does not know, as one that runs on the
#           own machine, has no cost, as "llama3.2" has none.
# Seen:     the names of the price list are regular expressions that are searched anywhere in the model's name, and the
#           provider counts only between several that match. Names that end in o1 or contain gpt-4, of distilled and
#           local models of other providers, have the prices of OpenAI's most expensive models, a fine-tuned model that
#           of its base, which is half of its price, and a newer one, as gpt-5.9-nano here, that of an older one whose
#           name it begins with. A project's cost is their sum.
#
# Output seen:
#   o1 of openai: 75.0
#   llama3.2 of ollama: None
#   marco-o1 of ollama: 75.0
#   vicuna-13b-gpt-4-distill of ollama: 90.0
#   gpt-4o-mini-2024-07-18 of openai: 0.75
#   ft:gpt-4o-mini-2024-07-18:acme::1 of openai: 0.75
#   gpt-5.9-nano of openai: 11.25
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


MODELS = {
    "o1": ("openai", 75.0),
    "llama3.2": ("ollama", None),
    "marco-o1": ("ollama", 75.0),
    "vicuna-13b-gpt-4-distill": ("ollama", 90.0),
    "gpt-4o-mini-2024-07-18": ("openai", 0.75),
    "ft:gpt-4o-mini-2024-07-18:acme::1": ("openai", 0.75),
    "gpt-5.9-nano": ("openai", 11.25),
}
with phoenix() as url:
    for number, (model, (provider, _)) in enumerate(MODELS.items(), 1):
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.usage.input_tokens": 1_000_000,
            "gen_ai.usage.output_tokens": 1_000_000,
        }
        send(url, number, model, attributes)
    spans = read(url, len(MODELS))
for model, (provider, cost) in MODELS.items():
    found = spans[model]["costSummary"]["total"]["cost"]
    print(f"{model} of {provider}: {found}")
    assert found == cost or abs(found - cost) < 1e-9
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
