#!/usr/bin/env bash
# OpenLLMetry: a streamed answer of Anthropic's has other tokens than the answer: without what a web search has read.
#
# Seen on 2026-12-01 with opentelemetry-instrumentation-anthropic 0.62.4, anthropic 2.14.0, opentelemetry-sdk 1.45.2,
#           CPython 3.11, with the numbers of Anthropic's example "Streaming request with web search tool use".
# Expected: the span has the tokens of the final message. Anthropic: "The token counts shown in the `usage` field of the
#           `message_delta` event are cumulative", and such an event has the input tokens too where a tool of the server
#           has added to them.
# Seen:     the input tokens are those of `message_start`, from before the search: 2679 of 10682. The output tokens are
#           the sum of both events, 513 of 510. The span of openinference-instrumentation-anthropic 3.1.0 has the right
#           ones, and so has the span of this instrumentation where the same answer is not streamed.
#
# Output seen:
#   the final message: 10682 input tokens, 510 output tokens
#   its span: 2679 input tokens, 513 output tokens
#   the span of OpenInference: 10682 input tokens, 510 output tokens
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  opentelemetry-instrumentation-anthropic==0.62.4 openinference-instrumentation-anthropic==3.1.0 anthropic==2.14.0 \
  opentelemetry-sdk==1.45.2
cd "$folder"
cat >finding.py <<'PYTHON'
import json
import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer

import anthropic
import openinference.instrumentation.anthropic
import opentelemetry.instrumentation.anthropic
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

CACHE = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "served"}
EVENTS = (
    {"type": "message_start", "message": {**MESSAGE, "usage": {"input_tokens": 2679, **CACHE, "output_tokens": 3}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It is sunny."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {
            "input_tokens": 10682,
            **CACHE,
            "output_tokens": 510,
            "server_tool_use": {"web_search_requests": 1},
        },
    },
    {"type": "message_stop"},
)


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in EVENTS:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

    def log_message(self, *_):
        pass


def streamed(instrumentor):
    """Return the usage of the final message, and the attributes of the span."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider)
    client = anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.server_port}", api_key="none")
    with client.messages.stream(
        model="served",
        max_tokens=1024,
        tools=[{"type": "web_search_20250305", "name": "web_search"}],
        messages=[{"role": "user", "content": "What is the weather in New York?"}],
    ) as stream:
        assert "".join(stream.text_stream) == "It is sunny."
        usage = stream.get_final_message().usage
    instrumentor.uninstrument()
    (span,) = exporter.get_finished_spans()
    return usage, span.attributes


def show(title, inputs, outputs):
    print(f"{title}: {inputs} input tokens, {outputs} output tokens")
    return inputs, outputs


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
warnings.simplefilter("ignore")
usage, span = streamed(opentelemetry.instrumentation.anthropic.AnthropicInstrumentor())
assert show("the final message", usage.input_tokens, usage.output_tokens) == (10682, 510)
found = (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"])
assert show("its span", *found) == (2679, 513)
_, span = streamed(openinference.instrumentation.anthropic.AnthropicInstrumentor())
found = (span["llm.token_count.prompt"], span["llm.token_count.completion"])
assert show("the span of OpenInference", *found) == (10682, 510)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
