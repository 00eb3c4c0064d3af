"""Telemetry with in-memory exporters, and what it has emitted as plain values."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import SpanProcessor

from otel_dspy.settings import Settings
from otel_dspy.telemetry.emitter import Telemetry
from tests.support.span_recorder import CountingIds, Recorder
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk.trace import ReadableSpan


class Emitted:
    """Telemetry for one test; span ids are 1, 2, 3, … in the order of their starts."""

    def __init__(self, **settings: Any) -> None:
        self._capture = TelemetryCapture(id_generator=CountingIds())
        self._recorder = Recorder(self._capture)
        providers: dict[str, Any] = self._capture.providers
        self.telemetry = Telemetry(Settings(**settings), **providers)

    def starts(self) -> list[Context]:
        """Contexts in which spans start from now on, as samplers and processors get them; filled as they do."""
        found: list[Context] = []
        processor = SpanProcessor()
        processor.on_start = lambda span, parent_context=None: found.append(parent_context or Context())  # noqa: ARG005
        self._capture.tracer_provider.add_span_processor(processor)
        return found

    @property
    def spans(self) -> dict[int, ReadableSpan]:
        """The ended spans by their ids."""
        self.telemetry.deferred_queue.drain()
        return {identity(span): span for span in self._capture.spans}

    def attributes(self, number: int) -> dict[str, Any]:
        """The attributes of an ended span."""
        return dict(self.spans[number].attributes or {})

    def tree(self) -> list[tuple[int, int | None, str]]:
        """Id, parent's id and name of each ended span, in the order of their starts."""
        return [
            (number, None if span.parent is None else span.parent.span_id, span.name)
            for number, span in sorted(self.spans.items())
        ]

    def events(self) -> list[tuple[str | None, int | None, dict[str, Any]]]:
        """Name, span id and attributes of each log event."""
        return [
            (log.log_record.event_name, log.log_record.span_id, dict(log.log_record.attributes or {}))
            for log in self._capture.events
        ]

    def points(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Attributes and value, or a histogram's count, of each metric's points."""
        self.telemetry.deferred_queue.drain()
        return {
            name: [(dict(attributes), value) for attributes, value in points]
            for name, points in self._recorder.metrics().items()
        }

    def seconds(self) -> dict[str, float]:
        """The sum of each histogram of durations."""
        return {name: sum(point.sum for point in points) for name, points in self._durations().items()}

    def exemplars(self) -> dict[str, list[int | None]]:
        """Ids of the spans that the histograms of durations name as examples."""
        return {
            name: [exemplar.span_id for point in points for exemplar in point.exemplars]
            for name, points in self._durations().items()
        }

    def _durations(self) -> dict[str, list[Any]]:
        self.telemetry.deferred_queue.drain()
        data = self._capture.metrics()
        return {
            metric.name: list(metric.data.data_points)
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name.endswith(".duration")
        }


def identity(span: Any) -> int:
    """A span's id."""
    return span.get_span_context().span_id


@contextmanager
def current(context: Context) -> Generator[None]:
    """Make the context the current one."""
    token = attach(context)
    try:
        yield
    finally:
        detach(token)
