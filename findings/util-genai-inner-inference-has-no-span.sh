#!/usr/bin/env bash
# opentelemetry-util-genai: a model called inside the call of another model has no span, and its tokens are lost.
#
# Seen on 2026-11-28 with opentelemetry-util-genai 1.3b0, opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: a router (one inference) that asks a model of another provider (a second inference inside it): two spans,
#           parent and child, each with its own model and tokens.
# Seen:     one span, the outer one. An inference inside an inference counts as the same call told twice by two
#           libraries, whatever its model and provider; what it reports fills gaps of the outer one only, so its model
#           and its 110 tokens are nowhere.
#
# Output seen:
#   chat router: provider house, 7 input tokens, 1 output tokens
#   spans that name the inner model: 0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2 opentelemetry-semantic-conventions==0.66b2 opentelemetry-util-genai==1.3b0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util.genai.handler import TelemetryHandler

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
handler = TelemetryHandler(tracer_provider=provider)
outer = handler.inference("house", request_model="router")
inner = handler.inference("openai", request_model="large-model")
inner.input_tokens, inner.output_tokens = 100, 10
inner.stop()
outer.input_tokens, outer.output_tokens = 7, 1
outer.stop()
spans = exporter.get_finished_spans()
for span in spans:
    facts = span.attributes
    print(
        f"{span.name}: provider {facts['gen_ai.provider.name']}, {facts['gen_ai.usage.input_tokens']} input tokens, "
        f"{facts['gen_ai.usage.output_tokens']} output tokens"
    )
named = [span for span in spans if "large-model" in str(dict(span.attributes))]
print(f"spans that name the inner model: {len(named)}")
assert [span.name for span in spans] == ["chat router"] and not named
assert spans[0].attributes["gen_ai.usage.input_tokens"] == 7
PYTHON
