#!/usr/bin/env bash
# OpenTelemetry: a call that is cut off by a timeout or a cancellation has a span without error, or with one, by its start.
#
# Seen on 2026-11-29 with opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: an awaited model call that asyncio.wait_for, asyncio.timeout or a client's disconnect cancels is an error in
#           its span, as it is for its caller, whichever of the tracer's two ways has started the span.
# Seen:     start_as_current_span, which instrumentations use, ignores asyncio.CancelledError: the status is unset and
#           there is no exception event, so that the timed-out call looks like a successful one, and error rates and
#           samplers that keep errors leave it out. With `with tracer.start_span(...)` it is an error with its event.
#
# Output seen:
#   the caller: TimeoutError, TimeoutError
#   start_as_current_span: UNSET, events []
#   start_span: ERROR, events ['exception']
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("finding")


async def call(start):
    with start(start.__name__):
        await asyncio.sleep(3600)


async def caller(start):
    try:
        await asyncio.wait_for(call(start), 0.05)
    except Exception as error:
        return type(error).__name__


async def main():
    return [await caller(start) for start in (tracer.start_as_current_span, tracer.start_span)]


raised = asyncio.run(main())
print(f"the caller: {', '.join(raised)}")
seen = {}
for span in exporter.get_finished_spans():
    seen[span.name] = (span.status.status_code.name, [event.name for event in span.events])
    print(f"{span.name}: {seen[span.name][0]}, events {seen[span.name][1]}")
assert raised == ["TimeoutError", "TimeoutError"]
assert seen == {"start_as_current_span": ("UNSET", []), "start_span": ("ERROR", ["exception"])}
PYTHON
