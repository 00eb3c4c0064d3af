"""Spans that end after their call: as of the moment when it ended, but told by a thread of ours.

A span's end is where the SDK hands it to its processors, and where what is known of the call by then goes onto it. A
program need not wait for either, as long as nobody could tell the difference: that is so where each processor only
queues the spans that end (`BatchSpanProcessor`, our own for MLflow), and catches up before it is flushed or shut down.
Ends keep their order. Starts are never late: samplers, processors and exemplars see them when and where they happen.

The SDK tells which processors there are by a private attribute alone; should it be renamed, no end is late.
"""

from __future__ import annotations

import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import SpanKind
from typing_extensions import override

from otel_dspy.guard import guarded
from otel_dspy.telemetry.tracer_around import TracerAround, innermost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import Attributes

    from otel_dspy.later import Later


_PART: Final = "the end of a span"


class LateEndTracer(TracerAround):
    """Starts the spans of another tracer, whose ends are late where they may be."""

    def __init__(self, tracer: Tracer, later: Later) -> None:
        super().__init__(tracer)
        self.later = later
        self._innermost: object = None
        self._audience: object = None
        self._patient = False

    @override
    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        *more: Any,
        **named: Any,
    ) -> Span:
        span: Any = self._tracer.start_span(name, context, kind, attributes, *more, **named)
        if self.ends_may_be_late() and span.is_recording():
            span.end = LateEnd(span, self)
        return span

    def ends_may_be_late(self) -> bool:
        """Whether no processor could tell a late end; it can be different after another one has been added."""
        if self._innermost is None:
            self._innermost = innermost(self._tracer)
        several: Any = getattr(self._innermost, "span_processor", None)
        audience = getattr(several, "_span_processors", None)
        if audience is not self._audience:
            self.later.catch_up()  # a new one may not be patient
            self._patient = audience is not None and _all_patient(several, audience)
            self._audience = audience
        return self._patient


class LateEnd:
    """Stands in the place of one span's `end`."""

    __slots__ = ("_before", "_span", "_tell", "at", "tracer")

    def __init__(self, span: Span, tracer: LateEndTracer) -> None:
        self._span: Any = span
        self.tracer = tracer
        # Not `vars(span)`: Python would make a dictionary for it, which takes longer than all of this.
        before: Any = span.end
        own = getattr(before, "__func__", None) is not type(span).end
        self._before: Any = before if own else None
        self.at: int | None = None
        """When the call ended, nanoseconds since the epoch; None = when the end is asked for."""
        self._tell: tuple[str, Callable[..., object], tuple[object, ...]] | None = None

    def tell_first(self, part: str, tell: Callable[..., object], *args: object) -> None:
        """Let this be called before; `part`: what a failure of it is reported as."""
        self._tell = part, tell, args

    def __call__(self, end_time: int | None = None) -> None:
        """`Span.end`, soon; where it is told, the call's context is current as it would have been at once."""
        at = end_time or self.at or time.time_ns()
        if not self.tracer.ends_may_be_late():
            self._end(at)
        elif self._tell is None:
            self.tracer.later.put(_PART, self._end, at)
        else:
            self.tracer.later.put(_PART, copy_context().run, self._end, at)

    def _end(self, at: int) -> None:
        span, tell, self._tell = self._span, self._tell, None
        try:
            if tell is not None:
                part, work, args = tell
                with guarded(part):
                    work(*args)
        finally:
            # Also where Ctrl-C comes in the middle; and a user may have ended the span too.
            if span.end is self:
                if self._before is None:
                    del span.end
                else:
                    span.end = self._before  # another convention's, which takes itself away
            span.end(at)


def late_end(span: Span) -> LateEnd | None:
    """What stands in the place of the span's `end`; None where it ends at once."""
    end: object = getattr(span, "end", None)
    return end if isinstance(end, LateEnd) and end.tracer.ends_may_be_late() else None


def _all_patient(several: object, processors: Sequence[SpanProcessor]) -> bool:
    from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor  # noqa: PLC0415 - the SDK is optional

    from otel_dspy.exporter.catching_up import catches_up, is_patient  # noqa: PLC0415 - needs the SDK

    return (
        type(several) is SynchronousMultiSpanProcessor
        and len(processors) > 0
        and all(is_patient(processor) for processor in processors)
        and all(catches_up(processor) for processor in processors)
    )
