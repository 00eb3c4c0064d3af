"""Exemplars: metrics by OTLP lead to the trace that they were measured in, though they are recorded later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dspy
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_dspy import DSPyInstrumentor
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.otlp_receiver import otlp_receiver

if TYPE_CHECKING:
    from collections.abc import Iterable


def test_histograms_carry_the_trace_and_span_of_what_they_measured() -> None:
    """Every histogram's exemplars name a span that was exported, of the kind that the histogram measures."""
    exporter = InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    with otlp_receiver() as receiver:
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(f"{receiver.endpoint}/v1/metrics"), export_interval_millis=3_600_000
        )
        meters = MeterProvider([reader], shutdown_on_exit=False)
        DSPyInstrumentor().instrument(tracer_provider=tracers, meter_provider=meters)
        try:
            with dspy.context(lm=addition_lm()):
                dspy.Evaluate(devset=examples(2), metric=exact, num_threads=2)(dspy.Predict("question -> answer"))
        finally:
            DSPyInstrumentor().uninstrument()
        meters.shutdown()
        led_to = dict(exemplars(receiver.bodies))
    spans = {
        (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"): span.name.split()[0]
        for span in exporter.get_finished_spans()
        if span.context
    }
    kinds = {name: sorted({spans[one] for one in found}) for name, found in led_to.items()}
    assert kinds == {
        "dspy.evaluate.duration": ["evaluate"],
        "dspy.module.duration": ["module"],
        "gen_ai.client.operation.duration": ["chat"],
        "gen_ai.client.token.usage": ["chat"],
    }


def exemplars(bodies: Iterable[bytes]) -> Iterable[tuple[str, list[tuple[str, str]]]]:
    """Each histogram's (trace id, span id) pairs."""
    for body in bodies:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                points = metric.histogram.data_points
                if points:
                    found = [exemplar for point in points for exemplar in point.exemplars]
                    yield metric.name, [(one.trace_id.hex(), one.span_id.hex()) for one in found]
