#!/usr/bin/env bash
# OpenTelemetry: what AlwaysRecordSampler records of an unsampled span lacks the attributes that it was started with.
#
# Seen on 2026-12-01 with opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: with AlwaysRecordSampler a processor sees all spans, sampled or not, "functionally equivalent to the
#           original", so that it can "count or otherwise measure all spans": tokens by model, say.
# Seen:     the built-in samplers return no attributes with the decision to drop, and AlwaysRecordSampler returns what they
#           returned. A recorded span that is not sampled has none of the attributes of `start_span(attributes=…)`, and those
#           of `set_attribute` alone. Instrumentations pass the model's name and the provider at the start, and the tokens
#           later: with a rate of 0.1, 90 percent of the tokens belong to no model.
#
# Output seen:
#   sampled: {'gen_ai.request.model': 'large', 'gen_ai.usage.input_tokens': 5}
#   recorded: {'gen_ai.usage.input_tokens': 5}
#   tokens by model of 1000 calls, a tenth of them sampled: of 'large' about a tenth True, of no model the rest True
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from collections import Counter

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, AlwaysRecordSampler, ParentBasedTraceIdRatio


class Ended(SpanProcessor):
    def __init__(self):
        self.attributes = []

    def on_end(self, span):
        self.attributes.append(dict(span.attributes))


def record(sampler, calls):
    """Return the attributes of the spans of that many calls, as a processor sees them."""
    ended, provider = Ended(), TracerProvider(sampler=sampler)
    provider.add_span_processor(ended)
    for _ in range(calls):
        with provider.get_tracer("finding").start_as_current_span(
            "chat large", attributes={"gen_ai.request.model": "large"}
        ) as span:
            span.set_attribute("gen_ai.usage.input_tokens", 5)
    assert len(ended.attributes) == calls
    return ended.attributes


(sampled,) = record(AlwaysRecordSampler(ALWAYS_ON), 1)
print(f"sampled: {sampled}")
(recorded,) = record(AlwaysRecordSampler(ALWAYS_OFF), 1)
print(f"recorded: {recorded}")
tokens = Counter()
for attributes in record(AlwaysRecordSampler(ParentBasedTraceIdRatio(0.1)), 1000):
    tokens[attributes.get("gen_ai.request.model")] += attributes["gen_ai.usage.input_tokens"]
tenth, rest = tokens["large"] < 1000, tokens[None] > 4000
print(f"tokens by model of 1000 calls, a tenth of them sampled: of 'large' about a tenth {tenth}, of no model the rest {rest}")
assert sampled == {"gen_ai.request.model": "large", "gen_ai.usage.input_tokens": 5}
assert recorded == {"gen_ai.usage.input_tokens": 5}
assert tenth and rest and sum(tokens.values()) == 5000
PYTHON
