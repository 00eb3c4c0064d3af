"""Metrics that another instrumentation records too, as Prometheus gets them from OpenTelemetry's exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dspy
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.util.genai.handler import TelemetryHandler
from prometheus_client import CollectorRegistry

from otel_dspy import DSPyInstrumentor
from tests.support.addition_task import addition_lm

if TYPE_CHECKING:
    from collections.abc import Mapping

METRIC = "gen_ai.client.token.usage"
SERIES = "gen_ai_client_token_usage_sum"


def _recorded(*, beside_another: bool) -> tuple[list[Mapping[str, object]], list[dict[str, str]]]:
    """Attributes of otel-dspy's measurements in the SDK, and the labels of the series that Prometheus gets of them."""
    memory, registry = InMemoryMetricReader(), CollectorRegistry()
    provider = MeterProvider([memory, PrometheusMetricReader(registry=registry)], shutdown_on_exit=False)
    if beside_another:
        handler = TelemetryHandler(meter_provider=provider, instrumentation_scope_name="another")
        with handler.inference("openai", request_model="gpt-4o") as invocation:
            invocation.input_tokens = 7
    instrumentor = DSPyInstrumentor()
    instrumentor.instrument(meter_provider=provider)
    try:
        with dspy.context(lm=addition_lm()):
            dspy.Predict("question -> answer")(question="1+1")
        data = memory.get_metrics_data()
        assert data is not None
        families = list(registry.collect())
    finally:
        instrumentor.uninstrument()
    attributes: list[Mapping[str, object]] = [
        point.attributes or {}
        for scope in data.resource_metrics[0].scope_metrics
        if scope.scope.name != "another"
        for metric in scope.metrics
        if metric.name == METRIC
        for point in metric.data.data_points
    ]
    labels = [
        {name: text for name, text in sample.labels.items() if not name.startswith("otel_")}
        for family in families
        for sample in family.samples
        if sample.name == SERIES and sample.value != 7
    ]
    return attributes, labels


def test_labels_beside_another_instrumentation() -> None:
    """The SDK has the same attributes in both cases; the labels are these alone, and others beside another library."""
    attributes, alone = _recorded(beside_another=False)
    as_labels = [{name.replace(".", "_"): str(value) for name, value in one.items()} for one in attributes]
    assert alone == as_labels
    assert {one["gen_ai.token.type"] for one in attributes} == {"input", "output"}
    again, mixed = _recorded(beside_another=True)
    assert again == attributes
    assert len(mixed) == len(alone)
    assert all(one["gen_ai_token_type"] not in {"input", "output"} for one in mixed)
