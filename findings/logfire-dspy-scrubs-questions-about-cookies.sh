#!/usr/bin/env bash
# Logfire: instrument_dspy() records a question about cookies, sessions or authority as '[Scrubbed due to ...]'.
#
# Seen on 2026-11-29 with logfire 5.4.0, openinference-instrumentation-dspy 0.1.48, dspy 3.4.1, CPython 3.11.
# Expected: Logfire's scrubbing keeps the messages of models, whatever they are about: the attributes gen_ai.input.messages
#           and gen_ai.output.messages are exempt from it, as those of Logfire's other integrations have them.
# Seen:     instrument_dspy() is OpenInference's instrumentation, whose attributes have other names and are not exempt. A
#           message, or a whole input, in which one word looks like that of a secret ("cookie", "session", and any that
#           begins with "auth" but author) is replaced as a whole: there is no prompt in the trace to look at.
#
# Output seen:
#   Where is Rome?                         kept in DSPy's span; gen_ai.input.messages: kept
#   How long do I bake a cookie?           scrubbed in DSPy's span; gen_ai.input.messages: kept
#   When does the session begin?           scrubbed in DSPy's span; gen_ai.input.messages: kept
#   Is this Rembrandt authentic?           scrubbed in DSPy's span; gen_ai.input.messages: kept
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'logfire[dspy]==5.4.0' dspy==3.4.1 \
    openinference-instrumentation-dspy==0.1.48
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import json

import dspy
import logfire
from dspy.utils import DummyLM
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
logfire.configure(
    send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(exporter)], inspect_arguments=False
)
logfire.instrument_dspy()
dspy.configure(lm=DummyLM([{"answer": "yes"}] * 100))
program = dspy.Predict("question -> answer")
seen = {}
for question in (
    "Where is Rome?",
    "How long do I bake a cookie?",
    "When does the session begin?",
    "Is this Rembrandt authentic?",
):
    exporter.clear()
    program(question=question)
    with trace.get_tracer("another").start_as_current_span("chat") as span:
        message = {"role": "user", "parts": [{"type": "text", "content": question}]}
        span.set_attribute("gen_ai.input.messages", json.dumps([message]))
    spans = exporter.get_finished_spans()
    inputs = [str(span.attributes["input.value"]) for span in spans if "input.value" in span.attributes]
    messages = [str(span.attributes["gen_ai.input.messages"]) for span in spans if span.name == "chat"]
    assert inputs and len(messages) == 1
    kept = [all(question in text for text in texts) for texts in (inputs, messages)]
    if not kept[0]:
        assert not any(question in text for text in inputs) and all("[Scrubbed due to" in text for text in inputs), inputs
    seen[question] = kept
    words = ["kept" if one else "scrubbed" for one in kept]
    print(f"{question:38} {words[0]} in DSPy's span; gen_ai.input.messages: {words[1]}")
assert list(seen.values()) == [[True, True]] + [[False, True]] * 3
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
