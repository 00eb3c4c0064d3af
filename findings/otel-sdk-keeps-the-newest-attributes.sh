#!/usr/bin/env bash
# OpenTelemetry SDK: a span with more than 128 attributes loses those that were set first.
#
# Seen on 2026-11-28 with opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: the specification says that attributes beyond the limit are discarded: the 128 that came first stay.
# Seen:     each new attribute pushes out the oldest one (a warning says so). What an instrumentation sets when a span starts (the
#           operation's name, the model, what samplers and backends go by) is what is lost.
#
# Output seen:
#   130 set, 128 kept, dropped 2
#   first: False, last: True
#   operation name: None
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
with provider.get_tracer("finding").start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}) as span:
    for number in range(129):
        span.set_attribute(f"parameter.{number:03}", number)
(ended,) = exporter.get_finished_spans()
kept = ended.attributes
print(f"130 set, {len(kept)} kept, dropped {ended.dropped_attributes}")
print(f"first: {'parameter.000' in kept}, last: {'parameter.128' in kept}")
print(f"operation name: {kept.get('gen_ai.operation.name')}")
assert (len(kept), ended.dropped_attributes) == (128, 2)
assert "gen_ai.operation.name" not in kept and "parameter.000" not in kept and "parameter.128" in kept
PYTHON
