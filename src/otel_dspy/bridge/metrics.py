"""Prometheus metrics of the bridge (`/metrics`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from otel_dspy.bridge.durable_queue.durable_queue import DurableQueue
    from otel_dspy.bridge.request_writer import RequestWriter

PREFIX: Final = "otel_dspy_bridge_"


class Metrics:
    """Metrics of one bridge."""

    def __init__(self, writer: RequestWriter, queue: DurableQueue | None = None) -> None:
        self._registry = CollectorRegistry()
        self._spans = self._counter("received_spans", "Spans received, including repeated ones", "protocol")
        self._requests = self._counter("requests", "Requests by outcome", "protocol", "answer")
        self._rejected = self._counter("refused_spans", "Spans rejected, or answered with a retryable error", "reason")
        self._registry.register(_OfWriter(writer))
        if queue is not None:
            self._registry.register(_OfQueue(queue))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self._registry)

    def received(self, protocol: str, spans: int) -> None:
        """Count received spans."""
        self._spans.labels(protocol).inc(spans)

    def answered(self, protocol: str, answer: str) -> None:
        """Count a finished request by its outcome."""
        self._requests.labels(protocol, answer).inc()

    def rejected(self, reason: str, spans: int) -> None:
        """Count rejected spans. Reasons have low cardinality: none contains request data."""
        self._rejected.labels(reason).inc(spans)

    def text(self) -> bytes:
        """Return all metrics in Prometheus text format."""
        return generate_latest(self._registry)


class _OfWriter(Collector):
    """Collector for the writer's own counters."""

    def __init__(self, writer: RequestWriter) -> None:
        self._writer = writer

    def collect(self) -> Iterator[Metric]:
        """Yield the current values."""
        writer, pipeline = self._writer, self._writer.pipeline
        for name, text, count in (
            ("written_spans", "Spans stored in MLflow, including repeated ones", writer.written),
            ("ignored_spans", "Dropped spans of other libraries: no otel-dspy span in their trace", writer.ignored),
            ("operations", "Operations sent to MLflow", pipeline.applied),
            ("retries", "Retries of operations", pipeline.retries),
            ("lost_operations", "Operations that MLflow rejected", pipeline.lost),
            ("failed_operations", "Operations that failed in MLflow; clients are asked to retry", pipeline.failed),
        ):
            yield CounterMetricFamily(PREFIX + name, text, value=count)
        yield GaugeMetricFamily(PREFIX + "waiting_bytes", "Bytes of requests in memory", value=writer.waiting)
        yield GaugeMetricFamily(
            PREFIX + "lag_seconds", "Seconds from the last written span's end to its storage", value=writer.newest_lag
        )
        failing = writer.failing_since is not None
        yield GaugeMetricFamily(PREFIX + "mlflow_up", "1 while MLflow accepts requests, else 0", value=not failing)


class _OfQueue(Collector):
    """Collector for the queue on disk."""

    def __init__(self, queue: DurableQueue) -> None:
        self._queue = queue

    def collect(self) -> Iterator[Metric]:
        """Yield the current values."""
        queue = self._queue
        for name, text, value in (
            ("requests", "Requests in the queue on disk", queue.requests),
            ("bytes", "Bytes of requests in the queue on disk", queue.bytes),
            ("oldest_seconds", "Seconds since the oldest request in the queue was received", queue.oldest_seconds),
            (
                "rejected_requests",
                "Requests that are kept apart because MLflow rejected a part of them",
                queue.rejected,
            ),
        ):
            yield GaugeMetricFamily(f"{PREFIX}queue_{name}", text, value=value)
