#!/usr/bin/env bash
# OpenTelemetry: a streamed answer of Bedrock's InvokeModel has no span and no metrics, unless the model's ID names Claude,
#           Nova or Titan.
#
# Seen on 2026-12-01 with opentelemetry-instrumentation-botocore 0.66b2, opentelemetry-sdk 1.45.2, boto3 1.44.8,
#           CPython 3.11.
# Expected: each call of `invoke_model_with_response_stream` is a span, which ends with its stream, and a measurement of
#           `gen_ai.client.operation.duration`: at least with what is known of each call.
# Seen:     the span is left to the stream's wrapper, which ends it where it understands the last chunk. It reads those
#           of three families of models, by the ID in the request. For Llama, Mistral and Cohere, and for Claude by the
#           ARN of an inference profile, as teams use them to divide costs, the span is started and never ends: it is not
#           exported, and there is no measurement. `invoke_model` of the same model has both a span and its tokens.
#
# Output seen:
#   anthropic.claude-sonnet-4-20250514-v1:0: 1 call, 1 span, 1 measurement
#   arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6: 1 call, 0 spans, 0 measurements
#   meta.llama3-1-70b-instruct-v1:0: 1 call, 0 spans, 0 measurements
#   mistral.mistral-large-2402-v1:0: 1 call, 0 spans, 0 measurements
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  opentelemetry-instrumentation-botocore==0.66b2 opentelemetry-sdk==1.45.2 boto3==1.44.8
cd "$folder"
cat >finding.py <<'PYTHON'
import base64
import binascii
import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

COUNTS = {"inputTokenCount": 12, "outputTokenCount": 2, "invocationLatency": 30, "firstByteLatency": 20}
START = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "usage": {"input_tokens": 12}}
CLAUDE = (
    {"type": "message_start", "message": START},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Paris"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": COUNTS},
)
LLAMA = (
    {"generation": "Par", "prompt_token_count": 12, "generation_token_count": 1, "stop_reason": None},
    {
        "generation": "is",
        "prompt_token_count": None,
        "generation_token_count": 2,
        "stop_reason": "stop",
        "amazon-bedrock-invocationMetrics": COUNTS,
    },
)
MISTRAL = (
    {"outputs": [{"text": "Par", "stop_reason": None}]},
    {"outputs": [{"text": "is", "stop_reason": "stop"}], "amazon-bedrock-invocationMetrics": COUNTS},
)
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
chunks = {
    "anthropic.claude-sonnet-4-20250514-v1:0": CLAUDE,
    PROFILE: CLAUDE,
    "meta.llama3-1-70b-instruct-v1:0": LLAMA,
    "mistral.mistral-large-2402-v1:0": MISTRAL,
}
model = ""


def message(chunk):
    """A chunk as a message of AWS's event stream encoding."""
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(chunk).encode()).decode()}).encode()
    headers = b""
    for name, value in ((":event-type", "chunk"), (":content-type", "application/json"), (":message-type", "event")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    text = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
    return text + struct.pack(">I", binascii.crc32(text))


class Bedrock(BaseHTTPRequestHandler):
    """Streams the chunks of `model`."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        content = b"".join(map(message, chunks[model]))
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.amazon.eventstream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Bedrock)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")


def stream():
    """Spans and measurements of one streamed answer of `model`, which is read to its end."""
    spans, metrics, tracers = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    instrumentor = BotocoreInstrumentor()
    instrumentor.instrument(tracer_provider=tracers, meter_provider=MeterProvider([metrics]))
    runtime = client.client("bedrock-runtime", endpoint_url=f"http://127.0.0.1:{server.server_port}")
    answer = runtime.invoke_model_with_response_stream(modelId=model, body=json.dumps({"prompt": "Capital?"}))
    assert len(list(answer["body"])) == len(chunks[model])
    instrumentor.uninstrument()
    data = metrics.get_metrics_data()
    points = [
        point
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "gen_ai.client.operation.duration"
        for point in metric.data.data_points
    ]
    return len(spans.get_finished_spans()), sum(point.count for point in points)


for model in chunks:
    spans, measurements = stream()
    ending = "" if spans == 1 else "s"
    print(f"{model}: 1 call, {spans} span{ending}, {measurements} measurement{ending}")
    expected = 1 if model.startswith("anthropic.claude") else 0
    assert (spans, measurements) == (expected, expected)
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
