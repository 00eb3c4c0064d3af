#!/usr/bin/env bash
# OpenTelemetry: with prompt caching the input tokens of Bedrock are those that were not cached: 12 of 10,012.
#
# Seen on 2026-12-01 with opentelemetry-instrumentation-botocore 0.66b2, opentelemetry-sdk 1.45.2, boto3 1.44.8,
#           CPython 3.11.
# Expected: `gen_ai.usage.input_tokens` has all input tokens, also those read from the cache and written to it, as the
#           GenAI conventions want it ("SHOULD include all types of input tokens, including cached tokens"), and
#           `gen_ai.client.token.usage` too.
# Seen:     Bedrock counts cached tokens beside `inputTokens`, and the instrumentation copies them side by side. The
#           metric has 12 tokens where 10,012 were read: no sum of it shows the others. What subtracts the cached tokens
#           from the input tokens, as prices of cached tokens need it, gets -9,988. With `invoke_model` of Claude the
#           cached tokens are not in the span at all.
#
# Output seen:
#   converse: 10012 input tokens, span 12 beside 10000 cached, metric 12
#   invoke_model: 10012 input tokens, span 12 beside none cached, metric 12
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
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

MODEL = "anthropic.claude-sonnet-4-20250514-v1:0"
CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Paris"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 12, "cacheReadInputTokens": 10000, "outputTokens": 5, "totalTokens": 10017},
    "metrics": {"latencyMs": 30},
}
INVOKE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "Paris"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 12, "cache_read_input_tokens": 10000, "output_tokens": 5},
}


class Bedrock(BaseHTTPRequestHandler):
    """Answers a request whose first 10,000 tokens were in the cache."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        content = json.dumps(CONVERSE if self.path.endswith("/converse") else INVOKE).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Bedrock)
threading.Thread(target=server.serve_forever, daemon=True).start()
session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")


def tokens(name, **request):
    """Input tokens and cached tokens in the span of one call, and input tokens in the metric."""
    spans, metrics, tracers = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    instrumentor = BotocoreInstrumentor()
    instrumentor.instrument(tracer_provider=tracers, meter_provider=MeterProvider([metrics]))
    runtime = session.client("bedrock-runtime", endpoint_url=f"http://127.0.0.1:{server.server_port}")
    getattr(runtime, name)(modelId=MODEL, **request)
    instrumentor.uninstrument()
    (span,) = spans.get_finished_spans()
    (measured,) = [
        point.sum
        for resource in metrics.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "gen_ai.client.token.usage"
        for point in metric.data.data_points
        if point.attributes["gen_ai.token.type"] == "input"
    ]
    recorded = span.attributes["gen_ai.usage.input_tokens"]
    cached = span.attributes.get("gen_ai.usage.cache_read.input_tokens", "none")
    print(f"{name}: 10012 input tokens, span {recorded} beside {cached} cached, metric {measured}")
    return recorded, cached, measured


messages = [{"role": "user", "content": [{"text": "Capital of France?"}]}]
assert tokens("converse", messages=messages) == (12, 10000, 12)
assert tokens("invoke_model", body=json.dumps({"messages": messages, "max_tokens": 100})) == (12, "none", 12)
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
