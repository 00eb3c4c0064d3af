"""Observers of the reports that this process writes: progress in a terminal or notebook shows their verdict."""

from __future__ import annotations

import weakref
from typing import Final, Protocol

from otel_dspy.runtime.error_guard import guarded


class ReportObserver(Protocol):
    """Receives the result of the test of chance on an optimization that has ended."""

    def report_written(self, compile_id: str, verdict: str | None) -> None:
        """Receive the verdict, on the thread that writes reports; None if the report could not be written.

        Args:
            compile_id: `dspy.compile.id`.
            verdict: the sentence of the report and of the run's description.
        """
        ...


_observers: Final[weakref.WeakSet[ReportObserver]] = weakref.WeakSet()


def add_observer(observer: ReportObserver) -> None:
    """Pass the verdicts of reports that are written from now on to the observer, as long as it exists."""
    _observers.add(observer)


def report_written(compile_id: str, verdict: str | None) -> None:
    """Pass a verdict to all observers; a failure of one is logged."""
    for observer in list(_observers):
        with guarded("the verdict on an optimization"):
            observer.report_written(compile_id, verdict)
