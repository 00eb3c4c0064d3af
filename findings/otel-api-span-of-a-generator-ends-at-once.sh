#!/usr/bin/env bash
# OpenTelemetry API: the span of a decorated generator ends before the generator runs.
#
# Seen on 2026-11-30 with opentelemetry-api and opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: `@tracer.start_as_current_span("answer")` gives each call a span that covers it, as it does for functions
#           and for coroutine functions.
# Seen:     for a generator function, `async` or not, the span covers the creation of the generator, which runs
#           nothing: it has ended before the first piece. Each span that the body starts is the root of a trace of its
#           own, and an exception of the body is on no span. So a function that is changed to stream its answer falls
#           apart into several traces and looks as fast as nothing, without a warning.
#
# Output seen:
#   function: model in answer, answer has the error
#   coroutine function: model in answer, answer has the error
#   generator: model is a root, answer has no error
#   async generator: model is a root, answer has no error
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    opentelemetry-api==1.45.2 opentelemetry-sdk==1.45.2
cd "$folder"
cat >finding.py <<'PYTHON'
import asyncio

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("finding")


def model():
    with tracer.start_as_current_span("model"):
        return "Paris"


@tracer.start_as_current_span("answer")
def function():
    model()
    raise ValueError("the second piece fails")


@tracer.start_as_current_span("answer")
async def coroutine_function():
    model()
    raise ValueError("the second piece fails")


@tracer.start_as_current_span("answer")
def generator():
    yield model()
    raise ValueError("the second piece fails")


@tracer.start_as_current_span("answer")
async def async_generator():
    yield model()
    raise ValueError("the second piece fails")


async def read(pieces):
    return [piece async for piece in pieces]


def seen(kind, call):
    exporter.clear()
    try:
        call()
    except ValueError:
        pass
    spans = {span.name: span for span in exporter.get_finished_spans()}
    parent, answer = spans["model"].parent, spans["answer"]
    inside = parent is not None and parent.span_id == answer.context.span_id
    failed = not answer.status.is_ok
    print(f"{kind}: model {'in answer' if inside else 'is a root'}, answer has {'the' if failed else 'no'} error")
    return inside, failed


assert seen("function", function) == (True, True)
assert seen("coroutine function", lambda: asyncio.run(coroutine_function())) == (True, True)
assert seen("generator", lambda: list(generator())) == (False, False)
assert seen("async generator", lambda: asyncio.run(read(async_generator()))) == (False, False)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
