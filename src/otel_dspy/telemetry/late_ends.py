"""Spans that end after their call: as of the moment when it ended, but told by a thread of ours.

A span's end is where the SDK hands it to its processors, and where what is known of the call by then goes onto it. A
program need not wait for either, as long as nobody could tell the difference: that is so where each processor only
queues the spans that end (`BatchSpanProcessor`, our own for MLflow), and whoever flushes them makes us catch up first.
Ends keep their order. Starts are never late: samplers, processors and exemplars see them when and where they happen.

The SDK has no way to put a processor before the others but a private attribute; should it be renamed, no end is late.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind
from typing_extensions import override

from otel_dspy.guard import guarded
from otel_dspy.telemetry.tracer_around import TracerAround, innermost

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import Attributes

    from otel_dspy.later import Later


class LateEndTracer(TracerAround):
    """Starts the spans of another tracer, whose ends are late where they may be."""

    def __init__(self, tracer: Tracer, later: Later) -> None:
        super().__init__(tracer)
        self._later = later
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
        if self._ends_may_be_late() and span.is_recording():
            span.end = LateEnd(span, self._later)
        return span

    def _ends_may_be_late(self) -> bool:
        if self._innermost is None:
            self._innermost = innermost(self._tracer)
        several: Any = getattr(self._innermost, "span_processor", None)
        audience = getattr(several, "_span_processors", None)
        if audience is not self._audience:
            self._later.catch_up()  # a new one may not be patient
            self._patient = audience is not None and _all_patient(several)
            self._audience = getattr(several, "_span_processors", None)
        return self._patient


class LateEnd:
    """Stands in the place of one span's `end`."""

    __slots__ = ("_before", "_later", "_span", "_tell", "at")

    def __init__(self, span: Span, later: Later) -> None:
        self._span: Any = span
        self._later = later
        own: dict[str, Any] = vars(span)
        self._before: Any = own.get("end")
        self.at: int | None = None
        """When the call ended, nanoseconds since the epoch; None = when the end is asked for."""
        self._tell: tuple[str, Callable[..., object], tuple[object, ...]] | None = None

    def tell_first(self, part: str, tell: Callable[..., object], *args: object) -> None:
        """Let this be called before; `part`: what a failure of it is reported as."""
        self._tell = part, tell, args

    def __call__(self, end_time: int | None = None) -> None:
        """`Span.end`, soon."""
        self._later.put("the end of a span", self._end, end_time or self.at or time.time_ns())

    def _end(self, at: int) -> None:
        if self._tell is not None:
            part, tell, args = self._tell
            with guarded(part):
                tell(*args)
        span = self._span
        if self._before is None:
            del span.end
        else:
            span.end = self._before  # another convention's, which takes itself away
        span.end(at)


def late_end(span: Span) -> LateEnd | None:
    """What stands in the place of the span's `end`; None where it ends at once."""
    end: object = getattr(span, "end", None)
    return end if isinstance(end, LateEnd) else None


def _all_patient(processor: object) -> bool:
    """Whether no processor could tell a late end; then whoever flushes them makes us catch up first."""
    from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor  # noqa: PLC0415 - the SDK is optional

    from otel_dspy.exporter.catching_up import CatchingUp, is_patient  # noqa: PLC0415 - needs the SDK

    if type(processor) is not SynchronousMultiSpanProcessor:
        return False
    several: Any = processor
    processors: tuple[SpanProcessor, ...] = several._span_processors  # noqa: SLF001 - see above
    if not processors or not all(is_patient(one) for one in processors):
        return False
    if not isinstance(processors[0], CatchingUp):
        with several._lock:  # noqa: SLF001 - see above
            several._span_processors = (CatchingUp(), *several._span_processors)  # noqa: SLF001 - see above
    return True
