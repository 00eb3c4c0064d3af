"""What the bridge counts, as Prometheus reads it at `/metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from otel_dspy.bridge.writer import Writer

PREFIX: Final = "otel_dspy_bridge_"


class Metrics:
    """Counters of one bridge."""

    def __init__(self, writer: Writer) -> None:
        self._registry = CollectorRegistry()
        self._spans = self._counter("received_spans", "Spans that came, repeated ones included", "protocol")
        self._requests = self._counter("requests", "Requests by how they ended", "protocol", "answer")
        self._refused = self._counter("refused_spans", "Spans that were not taken, or not now", "reason")
        self._registry.register(_OfWriter(writer))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self._registry)

    def received(self, protocol: str, spans: int) -> None:
        """Spans have come."""
        self._spans.labels(protocol).inc(spans)

    def answered(self, protocol: str, answer: str) -> None:
        """A request has ended."""
        self._requests.labels(protocol, answer).inc()

    def refused(self, reason: str, spans: int) -> None:
        """Spans were not taken. The reasons are few: none holds a part of a request."""
        self._refused.labels(reason).inc(spans)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)


class _OfWriter(Collector):
    """What the writer counts itself."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        writer, pipeline = self._writer, self._writer.pipeline
        for name, text, count in (
            ("written_spans", "Spans that MLflow has, repeated ones included", writer.written),
            ("ignored_spans", "Spans of other libraries in traces of no program", writer.ignored),
            ("operations", "Operations that MLflow was told", pipeline.applied),
            ("retries", "Tries of an operation beyond its first", pipeline.retries),
            ("lost_operations", "Operations that MLflow refused", pipeline.lost),
            ("failed_operations", "Operations that MLflow failed at; their spans are asked for again", pipeline.failed),
        ):
            yield CounterMetricFamily(PREFIX + name, text, value=count)
        yield GaugeMetricFamily(PREFIX + "waiting_bytes", "Bytes of requests that wait", value=writer.waiting)
        yield GaugeMetricFamily(
            PREFIX + "lag_seconds", "From a span's end to MLflow's having it, the last one's", value=writer.newest_lag
        )
        failing = writer.failing_since is not None
        yield GaugeMetricFamily(PREFIX + "mlflow_up", "1 while MLflow takes what it is given", value=not failing)
