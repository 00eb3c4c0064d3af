"""Span processor that passes the state of each outermost compile to an observer of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from opentelemetry.sdk.trace import SpanProcessor
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.reporting.terminal.compile_progress import INNER, CompileWatch
from otel_dspy.runtime.bounded_dict import BoundedDict
from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from otel_dspy.reporting.terminal.compile_progress import CompileView

_PART: Final = "the progress of an optimization"
_MAX_EXPECTED: Final = 100
"""Maximum number of compiles whose verdict is expected."""


class CompileObserver(Protocol):
    """Observer of one compile."""

    def __call__(self, view: CompileView) -> None:
        """Receive a state of the compile."""
        ...

    def verdict(self, text: str | None) -> None:
        """Receive the verdict on the compile, on any thread: the report's sentence, or None if there is no report."""
        ...


class CompileObservers(SpanProcessor):
    """Passes states of compiles on. Ends of spans may arrive after their calls, on another thread.

    Args:
        new_observer: creates the observer of a compile that starts; called on the thread that starts it.
    """

    accepts_deferred_ends = True
    """See `otel_dspy.exporter.flush_hooks`: nothing is shown on the thread of a model call."""

    def __init__(self, new_observer: Callable[[], CompileObserver]) -> None:
        self._new_observer = new_observer
        self._expected: BoundedDict[str, CompileObserver] = BoundedDict(_MAX_EXPECTED)
        """Observers by id of the compile, until its verdict arrives."""
        self._watches: dict[str, CompileWatch] = {}
        """Watches by id of the compile. There may be several: the end of one may arrive after the start of the next."""

    @property
    def observing(self) -> bool:
        """Whether the end of a compile has not arrived."""
        return bool(self._watches)

    def report_written(self, compile_id: str, verdict: str | None) -> None:
        """See `otel_dspy.mlflow.tracking.runs.report_observers.ReportObserver`."""
        observer = self._expected.pop(compile_id, None)
        if observer is not None:
            observer.verdict(verdict)

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        with guarded(_PART):
            attributes = span.attributes or {}
            compile_id = str(attributes.get(semconv.DSPY_COMPILE_ID))
            if attributes.get(semconv.DSPY_OPERATION_NAME) == "compile" and compile_id not in self._watches:
                if attributes.keys() & INNER:
                    return
                observer = self._new_observer()
                self._expected[compile_id] = observer
                self._watches[compile_id] = CompileWatch(observer)
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
