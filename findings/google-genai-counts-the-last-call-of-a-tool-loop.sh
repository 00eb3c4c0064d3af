#!/usr/bin/env bash
# OpenTelemetry: where the Google GenAI SDK calls tools itself, span and metrics have the tokens of the last request alone.
#
# Seen on 2026-12-01 with opentelemetry-instrumentation-google-genai 1.3b0, opentelemetry-sdk 1.45.2, google-genai 2.34.0,
#           CPython 3.11.
# Expected: `generate_content` with Python functions as tools sends a request, calls the function that the model asks
#           for, sends the next request, until the model answers. The tokens of that call are those of its requests.
# Seen:     the instrumentation wraps the whole loop in one span, and reads the usage of the response that is returned,
#           which is the last one's. There is no span for the others: of four requests with 5200 and 110 tokens the span
#           and `gen_ai.client.token.usage` have 1600 and 50, and costs made of them are less than a third of the bill.
#           `generate_content_stream` sees the usage of each request, and keeps the last one.
#
# Output seen:
#   generate_content: 4 requests with 5200 and 110 tokens, 1 span with 1600 and 50, metrics 1600 and 50
#   generate_content_stream: 4 requests with 5200 and 110 tokens, 1 span with 1600 and 50, metrics 1600 and 50
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  opentelemetry-instrumentation-google-genai==1.3b0 opentelemetry-util-genai==1.3b0 opentelemetry-sdk==1.45.2 \
  google-genai==2.34.0
cd "$folder"
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from google import genai
from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

USAGES = ((1000, 20), (1200, 20), (1400, 20), (1600, 50))
CITIES = ("Paris", "Rome", "Oslo")
requests = []


class Model(BaseHTTPRequestHandler):
    """Asks for the weather of one city after the other, then answers."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        turn = sum(content["role"] == "model" for content in body["contents"])
        part = {"functionCall": {"name": "weather", "args": {"city": CITIES[turn]}}} if turn < 3 else {"text": "Oslo."}
        inputs, outputs = USAGES[turn]
        requests.append((inputs, outputs))
        response = {
            "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {
                "promptTokenCount": inputs,
                "candidatesTokenCount": outputs,
                "totalTokenCount": inputs + outputs,
            },
            "modelVersion": "served",
        }
        streamed = "stream" in self.path
        answer = f"data: {json.dumps(response)}\r\n\r\n" if streamed else json.dumps(response)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


def weather(city: str) -> str:
    """Weather of a city."""
    return {"Paris": "rain", "Rome": "rain", "Oslo": "sun"}[city]


def text(response):
    return response.text


def streamed_text(stream):
    return [chunk.text for chunk in stream][-1]


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
for name, read in (("generate_content", text), ("generate_content_stream", streamed_text)):
    requests.clear()
    reader, exporter, provider = InMemoryMetricReader(), InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = GoogleGenAiSdkInstrumentor()
    instrumentor.instrument(tracer_provider=provider, meter_provider=MeterProvider([reader]))
    client = genai.Client(api_key="none", http_options={"base_url": f"http://127.0.0.1:{server.server_port}"})
    call = getattr(client.models, name)
    assert read(call(model="gemini-2.5-flash", contents="Where is sun?", config={"tools": [weather]})) == "Oslo."
    instrumentor.uninstrument()
    spans = [span for span in exporter.get_finished_spans() if span.name.startswith("generate_content")]
    found = [tuple(span.attributes[f"gen_ai.usage.{kind}_tokens"] for kind in ("input", "output")) for span in spans]
    points = {
        point.attributes["gen_ai.token.type"]: point.sum
        for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name == "gen_ai.client.token.usage"
        for point in metric.data.data_points
    }
    inputs, outputs = (sum(counts) for counts in zip(*requests))
    print(
        f"{name}: {len(requests)} requests with {inputs} and {outputs} tokens, {len(spans)} span with "
        f"{found[0][0]} and {found[0][1]}, metrics {points['input']} and {points['output']}"
    )
    assert (len(requests), inputs, outputs) == (4, 5200, 110)
    assert found == [(1600, 50)]
    assert points == {"input": 1600, "output": 50}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
