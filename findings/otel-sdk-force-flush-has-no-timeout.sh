#!/usr/bin/env bash
# OpenTelemetry SDK: force_flush(timeout_millis) of the batch processor waits as long as the exporter takes.
#
# Seen on 2026-11-28 with opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: provider.force_flush(100) gives up after 100 ms and returns False.
# Seen:     it waits for the export of the whole queue, here 2 seconds, and returns True. A request handler that
#           flushes with a limit has none.
#
# Output seen:
#   force_flush(100) returned True after 2.0 s
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import time

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult


class Slow(SpanExporter):
    def export(self, spans):
        time.sleep(2)
        return SpanExportResult.SUCCESS


provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(BatchSpanProcessor(Slow()))
with provider.get_tracer("finding").start_as_current_span("work"):
    pass
began = time.monotonic()
done = provider.force_flush(100)
took = time.monotonic() - began
print(f"force_flush(100) returned {done} after {took:.1f} s")
assert done and took > 1.5
PYTHON
