"""Span processor that shows the progress of optimizations in a notebook, for `autolog`."""

from __future__ import annotations

import pkgutil
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.reporting.notebook.kernel import running_shell
from otel_dspy.reporting.notebook.progress_table import progress_html, progress_text
from otel_dspy.reporting.terminal.compile_lines import has_gain
from otel_dspy.reporting.terminal.compile_observers import CompileObservers
from otel_dspy.runtime.deferred_queue import drain_deferred
from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.reporting.terminal.compile_lines import RunLocation
    from otel_dspy.reporting.terminal.compile_progress import CompileView

_DISPLAY: Final = "IPython.display:display"
"""Imported by name, because IPython is not a dependency; every Jupyter kernel has it."""
INTERVAL: Final = 1.0
"""Minimum seconds between two updates of one display by examples that have ended."""
CELL_END: Final = 2.0
"""Maximum seconds that the end of a cell waits for the end of its optimization to arrive, usually milliseconds."""


class NotebookProgress(CompileObservers):
    """Shows one display for each outermost compile, in the cell that started it, and updates it in place.

    Args:
        location: returns where a compile that starts now is recorded.
    """

    def __init__(self, location: Callable[[], RunLocation]) -> None:
        super().__init__(lambda: CompileDisplay(location()))
        # The end of a compile may arrive after the call has returned. A program that executes a notebook
        # (nbclient, papermill) ignores updates after the end of the cell.
        running_shell().events.register("post_run_cell", self._cell_ended)

    def _cell_ended(self, _result: object) -> None:
        if self.observing:
            with guarded("the progress in a notebook"):
                drain_deferred(seconds=CELL_END)


class CompileDisplay:
    """Display of one compile; called with each new state, on any thread.

    Args:
        location: where the compile is recorded.
    """

    def __init__(self, location: RunLocation) -> None:
        self._location = location
        self._lock = threading.Lock()
        self._handle: Any = None
        self._shown: tuple[int, bool] | None = None
        """Number of ended trials, and whether the compile has ended, in the last update."""
        self._next = 0.0
        """`time.monotonic()` of the next update by examples."""
        self._last: CompileView | None = None
        self._verdict: str | None = None

    def __call__(self, view: CompileView) -> None:
        """Show the state, unless a later one is shown or it differs in little and the last update was a moment ago."""
        state = (len(view.trials), view.ended)
        with self._lock:
            if self._shown is not None and (state < self._shown or self._shown[1]):
                return
            if state == self._shown and time.monotonic() < self._next:
                return
            self._show(view)
            self._shown, self._next = state, time.monotonic() + INTERVAL

    def verdict(self, text: str | None) -> None:
        """Show the result of the test of chance, with the end of the compile.

        Args:
            text: the sentence of the report; None if the report could not be written.
        """
        with self._lock:
            self._verdict = text
            if self._last is not None and self._last.ended and text is not None:
                self._show(self._last)

    def _show(self, view: CompileView) -> None:
        self._last = view
        verdict = self._verdict if has_gain(view) else None
        data = {
            "text/plain": progress_text(view, self._location, verdict),
            "text/html": progress_html(view, self._location, verdict),
        }
        if self._handle is None:
            display: Any = pkgutil.resolve_name(_DISPLAY)
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
