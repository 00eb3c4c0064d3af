#!/usr/bin/env bash
# OTLP/HTTP exporter: spans that the receiver rejects in a partial success are lost without a line.
#
# Seen on 2026-11-28 with opentelemetry-exporter-otlp-proto-http 1.45.2, CPython 3.11.
# Expected: the OTLP specification: a client MUST NOT retry and SHOULD log the message of a partial success, so that
#           somebody learns of it.
# Seen:     the answer's body is not read. The exporter returns SUCCESS, and nothing is logged at any level.
#
# Output seen:
#   rejected by the receiver: 1 (quota exceeded)
#   export() returned SpanExportResult.SUCCESS
#   log lines that name it: 0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import logging
import threading

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

lines = []


class Lines(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())


logging.basicConfig(level=logging.DEBUG, handlers=[Lines()])


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = 1
        answer.partial_success.error_message = "quota exceeded"
        body = answer.SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
memory = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
with provider.get_tracer("finding").start_as_current_span("work"):
    pass
exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{server.server_port}/v1/traces")
result = exporter.export(memory.get_finished_spans())
named = [line for line in lines if "quota" in line or "reject" in line.lower() or "partial" in line.lower()]
print("rejected by the receiver: 1 (quota exceeded)")
print(f"export() returned {result}")
print(f"log lines that name it: {len(named)}")
assert result is SpanExportResult.SUCCESS and not named
PYTHON
