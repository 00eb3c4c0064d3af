"""Spans that start with their call and are made and ended after it: as of then, but by a thread of ours.

A program need not wait until the SDK has made a span, nor for what is known of the call in the end to go onto it and
through the processors, as long as nobody could tell the difference. That is so where each processor only queues the
spans that end (`BatchSpanProcessor`, our own for MLflow), and catches up before it is flushed or shut down. Spans keep
their order. Samplers and processors hear of starts when and where they happen.

The SDK tells which processors there are by a private attribute alone; should it be renamed, no span is late.
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
    """What `Tracer.start_span` takes, by its names, but for the context, which would keep all that is around."""

    name: str
    kind: SpanKind
    attributes: Attributes
    links: Sequence[Link]
    start_time: int
    record_exception: bool
    set_status_on_exception: bool


class DeferredTracer(DelegatingTracer):
    """Starts the spans of another tracer, which are late where they may be.

    Args:
        tracer: the other one.
        conventions: that its spans are told in too.
        later: where their ends are told.
        observed: whether what is told goes through hands of the user's, who may look at the call's context.
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
        """How a late span is started; None where no span may be late."""
        self.hearing: Sequence[Any] = ()
        """Processors that hear of starts."""
        self.tells_ends = False
        """Whether a span that nobody has asked for need not be made to be told (see `ended_span`)."""

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
        begin = self._begin if self.ends_may_be_late() else None
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
        """Make a span that has begun: the SDK's, which speaks in other conventions too where it should.

        `ended`: processors have been told of its end.
        """
        from otel_dspy.telemetry.deferred.sdk_tracer import MakingTracer  # noqa: PLC0415 - the SDK is optional

        making = MakingTracer(self._innermost, decision, ended=ended)
        tracer = making if ended else with_extra_conventions(making, self._conventions)
        around = INVALID_SPAN if decision.around is None else NonRecordingSpan(decision.around)
        return tracer.start_span(context=set_span_in_context(around, Context()), **beginning._asdict())

    def ended(
        self, decision: Decision, beginning: Beginning, said: Sequence[Mapping[str, AnyValue]], at: int | None
    ) -> ReadableSpan:
        """A span that has ended, as processors get it (see `ended_span`)."""
        from otel_dspy.telemetry.deferred.snapshot import ended_span  # noqa: PLC0415 - the SDK is optional

        return ended_span(self._innermost, decision, beginning, said, at)

    def tell_end(self, span: ReadableSpan) -> None:
        """Hand it to the processors."""
        self._innermost.span_processor.on_end(span)

    def ends_may_be_late(self) -> bool:
        """Whether no processor could tell a late end; it can be different after another one has been added."""
        if self._innermost is None:
            self._innermost = innermost(self._tracer)
        audience = getattr(getattr(self._innermost, "span_processor", None), "_span_processors", None)
        if audience is not self._audience:
            self.tells_ends = False
            self.later.catch_up()  # a new one may not be patient
            self._begin = None if audience is None else self._way_to_begin(audience)
            self._audience = audience
        return self._begin is not None

    def _way_to_begin(self, processors: Sequence[SpanProcessor]) -> _Begin | None:
        from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor  # noqa: PLC0415 - the SDK is optional

        from otel_dspy.exporter.flush_hooks import accepts_deferred_ends, drain_before_flush, handles_starts  # noqa: PLC0415 - the same
        from otel_dspy.telemetry.deferred.sdk_tracer import can_decide  # noqa: PLC0415 - the same
        from otel_dspy.telemetry.deferred.snapshot import can_tell  # noqa: PLC0415 - the same
        from otel_dspy.telemetry.deferred.span import begin  # noqa: PLC0415 - the same

        if not (
            can_decide(self._given)
            and type(self._innermost.span_processor) is SynchronousMultiSpanProcessor
            and len(processors) > 0
            and all(accepts_deferred_ends(processor) for processor in processors)
            and all(drain_before_flush(processor) for processor in processors)
        ):
            self.hearing = ()
            return None
        self.hearing = [processor for processor in processors if handles_starts(processor)]
        self.tells_ends = not self._conventions and can_tell(self._innermost, processors)
        return begin


def is_late(span: Span) -> bool:
    """Whether it is one of these."""
    # Not `isinstance`: the class needs the SDK, and says that it is another.
    return getattr(type(span), "ends_late", False)


def late_span(span: Span) -> DeferredSpan | None:
    """The span itself if its end may be told late; None where it ends at once."""
    late: Any = span
    return late if is_late(span) and late.late_tracer.ends_may_be_late() else None
