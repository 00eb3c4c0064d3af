"""Span processor that passes the state of each outermost compile to an observer of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import SpanProcessor
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.reporting.terminal.compile_progress import CompileWatch
from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from otel_dspy.reporting.terminal.compile_progress import CompileView

_PART: Final = "the progress of an optimization"


class CompileObservers(SpanProcessor):
    """Passes states of compiles on. Ends of spans may arrive after their calls, on another thread.

    Args:
        new_observer: creates the observer of a compile that starts; called on the thread that starts it.
    """

    accepts_deferred_ends = True
    """See `otel_dspy.exporter.flush_hooks`: nothing is shown on the thread of a model call."""

    def __init__(self, new_observer: Callable[[], Callable[[CompileView], None]]) -> None:
        self._new_observer = new_observer
        self._watches: dict[str, CompileWatch] = {}
        """By id of the compile: the end of one may arrive after the start of the next."""

    @property
    def observing(self) -> bool:
        """Whether the end of a compile has not arrived."""
        return bool(self._watches)

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        with guarded(_PART):
            attributes = span.attributes or {}
            compile_id = str(attributes.get(semconv.DSPY_COMPILE_ID))
            if attributes.get(semconv.DSPY_OPERATION_NAME) == "compile" and compile_id not in self._watches:
                if attributes.keys() & {semconv.DSPY_COMPILE_PARENT_ID, semconv.DSPY_COMPILE_IN_CALL}:
                    return
                self._watches[compile_id] = CompileWatch(self._new_observer())
            watch = self._watches.get(compile_id)
            if watch is not None:
                watch.on_start(span, parent_context)

    @override
    def on_end(self, span: ReadableSpan) -> None:
        with guarded(_PART):
            attributes = span.attributes or {}
            compile_id = str(attributes.get(semconv.DSPY_COMPILE_ID))
            watch = self._watches.get(compile_id)
            if watch is None:
                return
            if attributes.get(semconv.DSPY_OPERATION_NAME) == "compile":
                del self._watches[compile_id]
            watch.on_end(span)
