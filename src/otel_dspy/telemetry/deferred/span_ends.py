"""Deferred ends of spans: final attributes and `Span.end` run on the deferred queue, with the end time of the call.

The SDK creates and starts each span on the caller's thread. The application does not wait for content to be serialized,
nor for the processors. An end is deferred only if every processor merely queues ended spans (`BatchSpanProcessor`, the
MLflow processor) and drains the deferred queue before a flush or shutdown. Spans end in the order of their calls.

The SDK exposes its processors only by private attributes; if one is renamed, spans end at once.
"""

from __future__ import annotations

import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.delegating_tracer import innermost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer

    from otel_dspy.runtime.deferred_queue import DeferredQueue

_PART: Final = "the end of a span"


class SpanEnds:
    """Ends the spans of a tracer provider, on the deferred queue where that is not observable.

    Args:
        tracer: a tracer of the provider.
        queue: the deferred queue.
        observed: whether a user's redactor runs in the deferred work, which may read the call's context.
    """

    def __init__(self, tracer: Tracer, queue: DeferredQueue, *, observed: bool) -> None:
        self._tracer = tracer
        self._queue = queue
        self.submit: Callable[..., None] = self._submit_in_context if observed else queue.submit
        """Submits work to the queue (see `DeferredQueue.submit`), in a copy of the caller's context if user code can
        observe it.
        """
        self._innermost: Any = None
        self._checked: object = None
        """Processors that `_deferrable` was determined for; the SDK replaces the tuple when one is added."""
        self._deferrable: type[Span] | None = None
        """Class of spans with deferred ends; None if a processor does not accept them."""
        self._usual: type[Span] | None = None
        """Subclass of it that the last such span was of."""

    def can_defer(self, span: Span) -> bool:
        """Return whether the span is recording and its end can be deferred."""
        if self._innermost is None:
            self._innermost = innermost(self._tracer)
        try:
            processors = self._innermost.span_processor._span_processors  # noqa: SLF001 - see the module
        except AttributeError:  # not the SDK's, or of a version with other names
            processors = None
        if processors is not self._checked:
            self._queue.drain()  # a new processor may not accept deferred ends
            self._deferrable = None if processors is None else self._check(processors)
            self._checked = processors
        if self._deferrable is None or not span.is_recording():
            return False
        if type(span) is not self._usual:  # an isinstance check against an abstract class takes ten times as long
            if not isinstance(span, self._deferrable):
                return False
            self._usual = type(span)
        return True

    def _check(self, processors: Sequence[SpanProcessor]) -> type[Span] | None:
        from opentelemetry.sdk import trace as sdk  # noqa: PLC0415 - the SDK is optional

        from otel_dspy.exporter.flush_hooks import accepts_deferred_ends, drain_before_flush  # noqa: PLC0415 - the same

        accepted = (
            type(self._innermost.span_processor) is sdk.SynchronousMultiSpanProcessor
            and len(processors) > 0
            and all(accepts_deferred_ends(processor) for processor in processors)
            and all(drain_before_flush(processor) for processor in processors)
        )
        return sdk.Span if accepted else None

    def before_end(self, span: Span, part: str, record: Callable[..., object], *args: object) -> None:
        """Call `record(*args)`, on the deferred queue if possible.

        Args:
            span: the span that is about to end.
            part: name of the work in the report of a failure.
            record: see `Telemetry.before_end`.
            *args: arguments of `record`.
        """
        if self.can_defer(span):
            self.submit(part, record, *args)
            return
        with guarded(part):
            record(*args)

    def _submit_in_context(self, part: str, work: Callable[..., object], *args: object) -> None:
        self._queue.submit(part, copy_context().run, work, *args)

    def end(self, span: Span) -> None:
        """End the span as of now, after the work that was submitted before."""
        if self.can_defer(span):
            self._queue.submit(_PART, end_at, span, time.time_ns())
        else:
            span.end()

    def end_after(self, span: Span, part: str, record: Callable[..., object], *args: object) -> None:
        """Call `record(*args)` and end the span as of now; one item of the queue for what takes two otherwise.

        Args:
            span: the span that is about to end.
            part: name of the work in the report of a failure.
            record: see `Telemetry.before_end`.
            *args: arguments of `record`.
        """
        if self.can_defer(span):
            self.submit(part, _record_and_end, span, time.time_ns(), record, *args)
            return
        try:
            with guarded(part):
                record(*args)
        finally:
            span.end()


def end_at(span: Span, at: int) -> None:
    """End the span as of a time in nanoseconds since the epoch, unless the application has ended it."""
    if span.is_recording():
        span.end(at)


def _record_and_end(span: Span, at: int, record: Callable[..., object], *args: object) -> None:
    try:
        record(*args)
    finally:  # also after a KeyboardInterrupt; not by `end_at`, because most spans end here
        if span.is_recording():
            span.end(at)


def replace_end(span: Span, work: Callable[[], object], end: Callable[[], object]) -> None:
    """Call `work`, and then `end` if it has called the span's `end`, which has no effect in the meantime.

    For opentelemetry-util-genai, which ends the span of an invocation itself, as of the time when it is finished.

    Args:
        span: a span of the SDK.
        work: may raise.
        end: ends the span.
    """
    own = vars(span)
    present = own.get("end")  # that of an extra convention
    ended: list[bool] = []
    own["end"] = lambda: ended.append(True)
    try:
        work()
    finally:
        if present is None:
            del own["end"]
        else:
            own["end"] = present
        if ended:
            end()
