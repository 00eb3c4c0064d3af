#!/usr/bin/env bash
# OpenTelemetry exporter for Prometheus: where two libraries record one metric, the labels of the second one have the
# values of other attributes.
#
# Seen on 2026-11-30 with opentelemetry-exporter-prometheus 0.66b2 (opentelemetry-sdk 1.45.2), CPython 3.11.
# Expected: two instrumentations that record `gen_ai.client.token.usage` of the GenAI conventions, one with
#           `gen_ai.provider.name` and one without, are two series, each with its own attributes as labels.
# Seen:     both scopes share one family, and its label names are those of the scope that comes first. The values of the
#           second scope, sorted by the names of its own attributes, are put to these names in their order: the provider
#           is the model, the model is the type of tokens, the type of tokens is the scope. With one attribute less than
#           the first scope, it has labels less. Nothing is logged. In one scope alone all labels are right.
#
# Output seen:
#   first  gen_ai_request_model="gpt-4o" gen_ai_token_type="input" otel_scope_name="one" otel_scope_schema_url="" otel_scope_version="": 10
#   second gen_ai_request_model="anthropic" gen_ai_token_type="claude-sonnet-4-5" otel_scope_name="input" otel_scope_schema_url="two" otel_scope_version="": 2000
#   alone  gen_ai_provider_name="anthropic" gen_ai_request_model="claude-sonnet-4-5" gen_ai_token_type="input" otel_scope_name="two" otel_scope_schema_url="" otel_scope_version="": 2000
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-exporter-prometheus==0.66b2 \
  opentelemetry-sdk==1.45.2 opentelemetry-semantic-conventions==0.66b2
cd "$folder"
cat >finding.py <<'PYTHON'
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.semconv._incubating.metrics.gen_ai_metrics import create_gen_ai_client_token_usage
from prometheus_client import CollectorRegistry

FIRST = ("one", 10, {"gen_ai.request.model": "gpt-4o", "gen_ai.token.type": "input"})
SECOND = (
    "two",
    2000,
    {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-sonnet-4-5",
        "gen_ai.token.type": "input",
    },
)


def scraped(*measurements):
    """Return labels and value of each series that Prometheus gets."""
    registry = CollectorRegistry()
    provider = MeterProvider(metric_readers=[PrometheusMetricReader(registry=registry)])
    for scope, tokens, attributes in measurements:
        create_gen_ai_client_token_usage(provider.get_meter(scope)).record(tokens, attributes)
    return [
        (sample.labels, sample.value)
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "gen_ai_client_token_usage_sum"
    ]


(first, second), (alone,) = scraped(FIRST, SECOND), scraped(SECOND)
for name, (labels, value) in (("first ", first), ("second", second), ("alone ", alone)):
    print(name, f"{' '.join(f'{label}={text!r}' for label, text in sorted(labels.items()))}: {value}".replace("'", '"'))
EMPTY = {"otel_scope_schema_url": "", "otel_scope_version": ""}
assert first == (
    {"gen_ai_request_model": "gpt-4o", "gen_ai_token_type": "input", "otel_scope_name": "one", **EMPTY},
    10.0,
)
assert second == (
    {
        "gen_ai_request_model": "anthropic",
        "gen_ai_token_type": "claude-sonnet-4-5",
        "otel_scope_name": "input",
        **EMPTY,
        "otel_scope_schema_url": "two",
    },
    2000.0,
)
assert alone[0]["gen_ai_request_model"] == "claude-sonnet-4-5"
assert alone[0]["otel_scope_name"] == "two"
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
