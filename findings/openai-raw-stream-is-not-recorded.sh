#!/usr/bin/env bash
# Traceloop, Langfuse: a stream that is asked for by `with_raw_response` has no answer and no tokens, or no span at all.
#
# Seen on 2026-12-01 with opentelemetry-instrumentation-openai 0.62.4, langfuse 5.2.0, openai 3.57.0,
#           opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: `client.chat.completions.with_raw_response.create(stream=True)`, OpenAI's way to the headers of a response, as
#           its rate limits and its request id, is a call like any other: with its answer and the tokens that the stream
#           reports. OpenInference's instrumentation records it so.
# Seen:     the response object is not the stream, which is made by its `parse()`. Traceloop ends the span when the headers
#           come: neither answer nor tokens nor model of the response, and the time of the headers as its duration. Langfuse's
#           `langfuse.openai` waits for chunks of an object that has none: its generation never ends and is not exported.
#           Without `stream` both record such a call. Neither logs anything.
#
# Output seen:
#   Traceloop, create(stream=True): 150 tokens
#   Traceloop, with_raw_response.create(): 150 tokens
#   Traceloop, with_raw_response.create(stream=True): a span without tokens
#   Langfuse, create(stream=True): 150 tokens
#   Langfuse, with_raw_response.create(): 150 tokens
#   Langfuse, with_raw_response.create(stream=True): no span
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    opentelemetry-instrumentation-openai==0.62.4 langfuse==5.2.0 openai==3.57.0 opentelemetry-sdk==1.45.2
cd "$folder"
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}


class Model(BaseHTTPRequestHandler):
    """Answers 42, in one piece or as a stream."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = {"role": "assistant", "content": "42"}
        answer = {"id": "1", "created": 1, "model": "served"}
        if body.get("stream"):
            answer["object"] = "chat.completion.chunk"
            chunks = [
                answer | {"choices": [{"index": 0, "finish_reason": "stop", "delta": said}]},
                answer | {"choices": [], "usage": USAGE},
            ]
            kind = "text/event-stream"
            text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        else:
            choice = {"index": 0, "finish_reason": "stop", "message": said}
            kind = "application/json"
            text = json.dumps(answer | {"object": "chat.completion", "choices": [choice], "usage": USAGE})
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"
options = {"model": "served", "messages": [{"role": "user", "content": "6*7?"}]}
stream_options = {"stream": True, "stream_options": {"include_usage": True}}


def stream(client):
    chunks = list(client.chat.completions.create(**options, **stream_options))
    assert "".join(chunk.choices[0].delta.content for chunk in chunks if chunk.choices) == "42"


def raw(client):
    assert client.chat.completions.with_raw_response.create(**options).parse().choices[0].message.content == "42"


def raw_stream(client):
    response = client.chat.completions.with_raw_response.create(**options, **stream_options)
    chunks = list(response.parse())
    assert "".join(chunk.choices[0].delta.content for chunk in chunks if chunk.choices) == "42"


def tokens(attributes):
    """The tokens of a span of either library."""
    if "gen_ai.usage.total_tokens" in attributes:
        return f"{attributes['gen_ai.usage.total_tokens']} tokens"
    if "langfuse.observation.usage_details" in attributes:
        return f"{json.loads(attributes['langfuse.observation.usage_details'])['total_tokens']} tokens"
    return "a span without tokens"


def record(name, client, exporter, flush):
    """Return what is recorded of each call."""
    found = []
    for text, call in (
        ("create(stream=True)", stream),
        ("with_raw_response.create()", raw),
        ("with_raw_response.create(stream=True)", raw_stream),
    ):
        call(client)
        flush()
        found.append(", ".join(tokens(span.attributes) for span in exporter.get_finished_spans()) or "no span")
        exporter.clear()
        print(f"{name}, {text}: {found[-1]}")
    return found


import openai
from opentelemetry.instrumentation.openai import OpenAIInstrumentor

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = openai.OpenAI(base_url=url, api_key="none")
traceloop = record("Traceloop", client, exporter, provider.force_flush)
OpenAIInstrumentor().uninstrument()

from langfuse import Langfuse
from langfuse.openai import OpenAI

exporter = InMemorySpanExporter()
langfuse = Langfuse(public_key="none", secret_key="none", base_url=url, span_exporter=exporter)
found = record("Langfuse", OpenAI(base_url=url, api_key="none"), exporter, langfuse.flush)
assert traceloop == ["150 tokens", "150 tokens", "a span without tokens"]
assert found == ["150 tokens", "150 tokens", "no span"]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
