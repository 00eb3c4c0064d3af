#!/usr/bin/env bash
# opentelemetry-util-genai: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true records no content.
#
# Seen on 2026-11-28 with opentelemetry-util-genai 1.3b0, opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: `true` switches content on, as the variable's documentation in earlier instrumentations says
#           (opentelemetry-instrumentation-openai-v2 2.1b0).
# Seen:     `true` is no member of NO_CONTENT, SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT and counts as NO_CONTENT, with a
#           warning. When an instrumentation changes to this library, its spans lose their content.
#
# Output seen:
#   true: NO_CONTENT, messages on the span: False
#   SPAN_ONLY: SPAN_ONLY, messages on the span: True
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2 opentelemetry-util-genai==1.3b0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util.genai.handler import TelemetryHandler
from opentelemetry.util.genai.types import InputMessage, Text
from opentelemetry.util.genai.utils import get_content_capturing_mode

found = []
for value in ("true", "SPAN_ONLY"):
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = value
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    call = TelemetryHandler(tracer_provider=provider).inference("openai", request_model="model")
    call.input_messages = [InputMessage(role="user", parts=[Text(content="hello")])]
    call.stop()
    (span,) = exporter.get_finished_spans()
    found.append("gen_ai.input.messages" in span.attributes)
    print(f"{value}: {get_content_capturing_mode().name}, messages on the span: {found[-1]}")
assert found == [False, True]
PYTHON
