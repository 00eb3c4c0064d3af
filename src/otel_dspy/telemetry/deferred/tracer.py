"""Deferred tracer: creates and ends spans on the deferred queue, with the timestamps of their call.

The application does not wait for the SDK to create a span, nor for its final attributes and the processors. Spans are
deferred only if this is not observable: every processor only queues ended spans (`BatchSpanProcessor`, the MLflow
processor) and drains the deferred queue before a flush or shutdown. The order of spans is preserved. Samplers and
`on_start` of processors are called at the start, in the caller's thread.

The SDK exposes its processors only by a private attribute; if that is renamed, no span is deferred.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanKind, set_span_in_context
from typing_extensions import override

from otel_dspy.telemetry.conventions.extra import with_extra_conventions
from otel_dspy.telemetry.delegating_tracer import DelegatingTracer, innermost

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.trace import Link, Span, Tracer
    from opentelemetry.util.types import AnyValue, Attributes

    from otel_dspy.runtime.deferred_queue import DeferredQueue
    from otel_dspy.settings import ExtraConvention
    from otel_dspy.telemetry.deferred.sdk_tracer import Decision
    from otel_dspy.telemetry.deferred.span import DeferredSpan

    _Begin = Callable[["DeferredTracer", object, Context | None, "Beginning"], Span]


class Beginning(NamedTuple):
    """Arguments of `Tracer.start_span`, except the context, which would keep its contents alive."""

    name: str
    kind: SpanKind
    attributes: Attributes
    links: Sequence[Link]
    start_time: int
    record_exception: bool
    set_status_on_exception: bool


class DeferredTracer(DelegatingTracer):
    """Starts spans of another tracer and defers their creation and end, where that is not observable.

    Args:
        tracer: the other tracer.
        conventions: further conventions for its spans.
        later: the deferred queue.
        observed: whether a user's redactor runs in the deferred work, which may read the call's context.
    """

    def __init__(
        self, tracer: Tracer, conventions: Collection[ExtraConvention], later: DeferredQueue, *, observed: bool = True
    ) -> None:
        super().__init__(with_extra_conventions(tracer, conventions))
        self._given = tracer
        self.later = later
        self.observed = observed
        self._conventions = conventions
        self._innermost: Any = None
        self._audience: object = None
        self._begin: _Begin | None = None
        """Function that starts a deferred span; None if spans must not be deferred."""
        self.start_processors: Sequence[Any] = ()
        """Processors that implement `on_start`."""
        self.uses_snapshots = False
        """Whether a span that was never accessed is exported as a snapshot (see `snapshot_span`)."""

    @override
    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        begin = self._begin if self.may_defer_ends() else None
        if begin is None:
            return self._tracer.start_span(
                name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
            )
        beginning = Beginning(
            name,
            kind,
            attributes,
            links or (),
            time.time_ns() if start_time is None else start_time,
            record_exception,
            set_status_on_exception,
        )
        return begin(self, self._innermost, context, beginning)

    def make(self, decision: Decision, beginning: Beginning, *, ended: bool = False) -> Span:
        """Create the SDK's span for a started one, with the extra conventions.

        Args:
            decision: the decision made at the start.
            beginning: arguments of `start_span`.
            ended: whether the processors have already received its end.
        """
        from otel_dspy.telemetry.deferred.sdk_tracer import MakingTracer  # noqa: PLC0415 - the SDK is optional

        making = MakingTracer(self._innermost, decision, ended=ended)
        tracer = making if ended else with_extra_conventions(making, self._conventions)
        around = INVALID_SPAN if decision.around is None else NonRecordingSpan(decision.around)
        return tracer.start_span(context=set_span_in_context(around, Context()), **beginning._asdict())

    def ended(
        self, decision: Decision, beginning: Beginning, updates: Sequence[Mapping[str, AnyValue]], end_time: int | None
    ) -> ReadableSpan:
        """Create the snapshot of an ended span (see `snapshot_span`)."""
        from otel_dspy.telemetry.deferred.snapshot import snapshot_span  # noqa: PLC0415 - the SDK is optional

        return snapshot_span(self._innermost, decision, beginning, updates, end_time)

    def deliver_end(self, span: ReadableSpan) -> None:
        """Pass an ended span to the processors."""
        self._innermost.span_processor.on_end(span)

    def may_defer_ends(self) -> bool:
        """Return whether all current processors accept deferred ends; checked again when a processor is added."""
        if self._innermost is None:
            self._innermost = innermost(self._tracer)
        audience = getattr(getattr(self._innermost, "span_processor", None), "_span_processors", None)
        if audience is not self._audience:
            self.uses_snapshots = False
            self.later.catch_up()  # a new processor may not accept deferred ends
            self._begin = None if audience is None else self._way_to_begin(audience)
            self._audience = audience
        return self._begin is not None

    def _way_to_begin(self, processors: Sequence[SpanProcessor]) -> _Begin | None:
        from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor  # noqa: PLC0415 - the SDK is optional

        from otel_dspy.exporter.flush_hooks import accepts_deferred_ends, drain_before_flush, handles_starts  # noqa: PLC0415 - the same
        from otel_dspy.telemetry.deferred.sdk_tracer import can_decide  # noqa: PLC0415 - the same
        from otel_dspy.telemetry.deferred.snapshot import can_snapshot  # noqa: PLC0415 - the same
        from otel_dspy.telemetry.deferred.span import begin  # noqa: PLC0415 - the same

        if not (
            can_decide(self._given)
            and type(self._innermost.span_processor) is SynchronousMultiSpanProcessor
            and len(processors) > 0
            and all(accepts_deferred_ends(processor) for processor in processors)
            and all(drain_before_flush(processor) for processor in processors)
        ):
            self.start_processors = ()
            return None
        self.start_processors = [processor for processor in processors if handles_starts(processor)]
        self.uses_snapshots = not self._conventions and can_snapshot(self._innermost, processors)
        return begin


def is_deferred(span: Span) -> bool:
    """Return whether the span is a deferred span."""
    # Not `isinstance`: the class requires the SDK and overrides `__class__`.
    return getattr(type(span), "is_deferred_span", False)


def deferred_span(span: Span) -> DeferredSpan | None:
    """Return the span if it is deferred and its end may still be deferred; else None."""
    deferred: Any = span
    return deferred if is_deferred(span) and deferred.deferred_tracer.may_defer_ends() else None
