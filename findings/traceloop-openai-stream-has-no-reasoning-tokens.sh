#!/usr/bin/env bash
# Traceloop: a streamed answer of OpenAI's has no reasoning tokens, the same answer in one piece has them.
#
# Seen on 2026-12-01 with opentelemetry-instrumentation-openai 0.62.4, openai 3.57.0, opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: the last chunk of a stream has the usage of the call, with its reasoning tokens, and the span has them as the one
#           of the same call without `stream` does.
# Seen:     input, output, cached and total tokens are on the span, `gen_ai.usage.reasoning_tokens` is not. By these spans a
#           model that thinks for most of its tokens does not think once its answers are streamed.
#
# Output seen:
#   in one piece: {'cache_read.input_tokens': 80, 'input_tokens': 100, 'output_tokens': 50, 'reasoning_tokens': 30, 'total_tokens': 150}
#   streamed: {'cache_read.input_tokens': 80, 'input_tokens': 100, 'output_tokens': 50, 'total_tokens': 150}
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    opentelemetry-instrumentation-openai==0.62.4 openai==3.57.0 opentelemetry-sdk==1.45.2
cd "$folder"
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 80},
    "completion_tokens_details": {"reasoning_tokens": 30},
}


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


import openai
from opentelemetry.instrumentation.openai import OpenAIInstrumentor


def usage(call):
    """Return the tokens of the span of the call."""
    call()
    (span,) = exporter.get_finished_spans()
    exporter.clear()
    prefix = "gen_ai.usage."
    return {key.removeprefix(prefix): span.attributes[key] for key in sorted(span.attributes) if key.startswith(prefix)}


exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = openai.OpenAI(base_url=url, api_key="none")
whole = usage(lambda: client.chat.completions.create(**options))
print(f"in one piece: {whole}")
streamed = usage(lambda: list(client.chat.completions.create(**options, **stream_options)))
print(f"streamed: {streamed}")
assert whole == {
    "cache_read.input_tokens": 80, "input_tokens": 100, "output_tokens": 50, "reasoning_tokens": 30, "total_tokens": 150
}  # fmt: skip
assert streamed == {name: count for name, count in whole.items() if name != "reasoning_tokens"}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
