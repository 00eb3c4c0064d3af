from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy.runtime.deferred_queue import DeferredQueue
from otel_dspy.telemetry.instruments import Instruments

SIGNALS = Path(__file__).parents[3] / "semconv" / "signals.yaml"


def contract() -> dict[str, tuple[str, str, str]]:
    """Every metric of the contract: name -> (instrument, unit, brief)."""
    groups = cast("list[dict[str, Any]]", yaml.safe_load(SIGNALS.read_text())["groups"])
    return {
        group["metric_name"]: (group["instrument"], group["unit"], group["brief"])
        for group in groups
        if group["type"] == "metric"
    }


def test_the_instruments_are_those_of_the_contract() -> None:
    """Each metric exists once, with the contract's kind, unit and description, under our scope."""
    reader = InMemoryMetricReader()
    instruments = Instruments(MeterProvider([reader], shutdown_on_exit=False), DeferredQueue())
    for instrument in vars(instruments).values():
        record = next(
            getattr(instrument, method)
            for method in ("record", "add", "set")
            if callable(getattr(instrument, method, None))
        )
        record(1)
    data = reader.get_metrics_data()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    assert scope.scope.name == "otel_dspy"
    kinds = {"Histogram": "histogram", "Gauge": "gauge"}
    found = {
        metric.name: (
            kinds.get(type(metric.data).__name__)
            or ("counter" if getattr(metric.data, "is_monotonic", False) else "updowncounter"),
            metric.unit,
            metric.description,
        )
        for metric in scope.metrics
    }
    assert found == contract()


def test_durations_have_bounds_that_fit_and_a_view_may_change_them() -> None:
    """Hours of a compile and milliseconds of a call don't fall into one bucket; a user's own view still wins."""
    reader = InMemoryMetricReader()
    views = [View(instrument_name="dspy.trial.duration", description="the user's own")]
    instruments = Instruments(MeterProvider([reader], views=views, shutdown_on_exit=False), DeferredQueue())
    instruments.compile_duration.record(7_000)
    instruments.module_duration.record(0.015)
    instruments.trial_duration.record(1)
    data = reader.get_metrics_data()
    assert data is not None
    metrics = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    bounds = {name: cast("Any", metric.data.data_points[0]).explicit_bounds for name, metric in metrics.items()}
    assert 7_200 in bounds["dspy.compile.duration"]
    assert 0.02 in bounds["dspy.module.duration"]
    assert all(list(one) == sorted(one) for one in bounds.values())
    assert metrics["dspy.trial.duration"].description == "the user's own"


def test_durations_lead_to_a_trace() -> None:
    """A histogram's exemplars name the span in which it was measured, also where the measurement has waited."""
    reader = InMemoryMetricReader()
    instruments = Instruments(MeterProvider([reader], shutdown_on_exit=False), DeferredQueue())
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with tracer.start_as_current_span("here") as span:
        instruments.trial_duration.record(1.0, {})
        instruments.module_duration.record(0.5, {})
    data = reader.get_metrics_data()
    assert data is not None
    context = span.get_span_context()
    exemplars = {
        metric.name: [
            (exemplar.trace_id, exemplar.span_id) for exemplar in cast("Any", metric.data.data_points[0]).exemplars
        ]
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    expected = [(context.trace_id, context.span_id)]
    assert exemplars == {"dspy.trial.duration": expected, "dspy.module.duration": expected}
