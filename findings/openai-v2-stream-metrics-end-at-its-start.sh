#!/usr/bin/env bash
# OpenTelemetry: by the metrics of the OpenAI instrumentation a streamed answer takes no time and no tokens.
#
# Seen on 2026-11-29 with opentelemetry-instrumentation-openai-v2 2.4b0, opentelemetry-util-genai 0.4b0,
#           opentelemetry-sdk 1.45.2, openai 2.54.0, CPython 3.11.
# Expected: gen_ai.client.operation.duration and gen_ai.client.token.usage of a streamed answer are those of its span.
# Seen:     the metrics are recorded when the stream object is returned, before its chunks. The duration is the time to
#           the response's headers, and there are no tokens, although the stream reports its usage and the span has both.
#           Dashboards of latency and tokens get better with each program that streams. With
#           OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental both are right.
#
# Output seen:
#   by default: span of at least 1 s True, duration of at least 1 s False, tokens of the span 18, of the metric 0
#   latest experimental: span of at least 1 s True, duration of at least 1 s True, tokens of the span 18, of the metric 18
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-instrumentation-openai-v2==2.4b0 \
    opentelemetry-util-genai==0.4b0 opentelemetry-sdk==1.45.2 openai==2.54.0
cd "$folder"
cat >finding.py <<'PYTHON'
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import openai
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
CHUNKS = (
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "4"}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"content": "2"}, "finish_reason": "stop"}]},
    {"choices": [], "usage": USAGE},
)


class Model(BaseHTTPRequestHandler):
    """Sends its headers at once, and the chunks in more than a second."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for chunk in CHUNKS:
            event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "served", **chunk}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            time.sleep(0.5)
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
reader, exporter, provider = InMemoryMetricReader(), InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
OpenAIInstrumentor().instrument(tracer_provider=provider, meter_provider=MeterProvider([reader]))
client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
options = {"stream": True, "stream_options": {"include_usage": True}}
chunks = list(client.chat.completions.create(model="served", messages=[{"role": "user", "content": "6*7?"}], **options))
assert "".join(chunk.choices[0].delta.content for chunk in chunks if chunk.choices) == "42"
(span,) = exporter.get_finished_spans()
sums = {"gen_ai.client.operation.duration": 0, "gen_ai.client.token.usage": 0}
for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics:
    for metric in scope.metrics:
        if metric.name in sums:
            sums[metric.name] = sum(point.sum for point in metric.data.data_points)
tokens = span.attributes["gen_ai.usage.input_tokens"] + span.attributes["gen_ai.usage.output_tokens"]
print(
    f"span of at least 1 s {span.end_time - span.start_time >= 1e9}, "
    f"duration of at least 1 s {sums['gen_ai.client.operation.duration'] >= 1}, "
    f"tokens of the span {tokens}, of the metric {sums['gen_ai.client.token.usage']}"
)
PYTHON
unset OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT
by_default=$(OTEL_SEMCONV_STABILITY_OPT_IN="" "$folder/venv/bin/python" finding.py 2>log) || { cat log >&2; exit 1; }
latest=$(OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental "$folder/venv/bin/python" finding.py 2>log) ||
    { cat log >&2; exit 1; }
echo "by default: $by_default"
echo "latest experimental: $latest"
[ "$by_default" = "span of at least 1 s True, duration of at least 1 s False, tokens of the span 18, of the metric 0" ]
[ "$latest" = "span of at least 1 s True, duration of at least 1 s True, tokens of the span 18, of the metric 18" ]
