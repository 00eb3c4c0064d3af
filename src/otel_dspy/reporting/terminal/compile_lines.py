"""Lines about one optimization in a terminal: where it is recorded, a line for each trial, its result."""

from __future__ import annotations

import math
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.control_characters import without_control_characters
from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.formatting.stop_reasons import stop_text
from otel_dspy.formatting.trial_values import score_value_text
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.number_text import run_duration_text, use_text
from otel_dspy.reporting.required_packages import check_packages
from otel_dspy.reporting.terminal.compile_observers import CompileObservers
from otel_dspy.reporting.terminal.terminal_warnings import OVER_A_BAR
from otel_dspy.reporting.trials.trial_line import choice_text, trial_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.reporting.terminal.compile_progress import CompileResult, CompileView

_NAME: Final = "otel-dspy"
_MOST_ROWS: Final = 10
_QUESTION: Final = "is the gain more than chance?"


@dataclass(frozen=True)
class RunLocation:
    """Where an optimization is recorded."""

    description: str
    open_with: str
    """Address to open in a browser, or command that starts MLflow's UI."""
    report_with: str
    """Command that prints the report."""
    verdict_follows: bool = False
    """Whether this process writes the report, and passes its verdict on to `verdict` of the compile's observer."""


class CompileLines:
    """Writes lines to standard error when a view of one compile changes.

    Args:
        location: where the compile is recorded.
        color: whether to use colors.
    """

    def __init__(self, location: RunLocation, *, color: bool) -> None:
        self._location = location
        self._color = color
        self._started = False
        self._expected = False
        self._failed = False
        self._trials = 0
        self._lock = threading.Lock()
        """The verdict arrives on another thread."""
        self._ended: CompileView | None = None
        self._early: tuple[str | None] | None = None
        """A verdict that has arrived before the end."""

    def __call__(self, view: CompileView) -> None:
        """Write what is new in the view."""
        with self._lock:
            self._show(view)
            if view.ended:
                self._ended = view
                if self._early is not None:
                    self._write_verdict(view, *self._early)

    def verdict(self, text: str | None) -> None:
        """Write the result of the test of chance, in one line, once the end of the compile is shown.

        Args:
            text: the sentence of the report; None if the report could not be written.
        """
        with self._lock:
            if self._ended is None:
                self._early = (text,)
            else:
                self._write_verdict(self._ended, text)

    def _write_verdict(self, view: CompileView, text: str | None) -> None:
        if not has_gain(view):
            return
        if text is not None:
            self._write(f"{_NAME}: {view.optimizer} on {view.program}: {text}")
        elif answer_of_chance(self._location) is None:  # else it has been written
            self._write(f"{_NAME}: {_QUESTION} {self._location.report_with}")

    def _show(self, view: CompileView) -> None:
        if not self._started:
            self._started = True
            self._write(f"{_NAME}: {view.optimizer} on {view.program} is recorded in {self._location.description}")
            self._write(f"{_NAME}: look at it, even while it runs: {self._location.open_with}")
        if view.expected_calls is not None and not self._expected:
            self._expected = True
            self._write(f"{_NAME}: {forecast_text(*view.expected_calls)} to be expected, without those of the metric")
        for row in view.trials[self._trials :]:
            self._write(trial_line(row, view.planned))
            if row.failure is not None and not self._failed:
                self._failed = True
                self._write(f"{_NAME}: every example of trial {row.index} failed: {row.failure}")
        self._trials = len(view.trials)
        if view.ended and view.result is not None:
            self._end(view, view.result)

    def _end(self, view: CompileView, result: CompileResult) -> None:
        if view.trials:
            self._table(view, result)
        self._write(f"{_NAME}: {result_text(view, result)}")
        if has_gain(view) and (answer := answer_of_chance(self._location)) is not None:
            self._write(f"{_NAME}: {_QUESTION} {answer}")
        self._write(f"{_NAME}: {self._location.open_with}")

    def _table(self, view: CompileView, result: CompileResult) -> None:
        try:
            from otel_dspy.reporting.rich_classes import Console  # noqa: PLC0415 - an optional package
            from otel_dspy.reporting.terminal.trials_table import trials_table  # noqa: PLC0415 - as above
        except ImportError:
            return
        color = None if self._color else False
        console = Console(file=sys.stderr, no_color=color is False, force_terminal=color)
        title = f"{view.optimizer} on {view.program}"
        width = console.width
        console.print(trials_table(view.trials, title=title, most=_MOST_ROWS, usage=result.usage, width=width))

    def _write(self, line: str) -> None:
        sys.stderr.write(f"{OVER_A_BAR if self._color else ''}{without_control_characters(line)}\n")
        sys.stderr.flush()


def terminal_progress(location: Callable[[], RunLocation], *, color: bool) -> CompileObservers:
    """Return the span processor that writes lines about each outermost compile, for `autolog`.

    Args:
        location: returns where a compile that starts now is recorded.
        color: whether to use colors.
    """
    return CompileObservers(lambda: CompileLines(location(), color=color))


def has_gain(view: CompileView) -> bool:
    """Return whether there is a score to test for chance: not where nothing was scored or every example failed."""
    result = view.result
    return view.ended and result is not None and result.failure is None and result.best_score is not None


def answer_of_chance(location: RunLocation) -> str | None:
    """Return what answers whether the gain is more than chance, where no verdict follows; else None.

    It is the command of the report, or which packages the report needs.
    """
    try:
        check_packages()
    except ReportError as error:
        return str(error)
    return None if location.verdict_follows else location.report_with


def _ending(error: str) -> str:
    stopped, message = stop_text(error), error.partition(": ")[2]
    if stopped is None:
        return f"ended by {error}"
    return f"{stopped}: {message}" if message else stopped


def forecast_text(low: int, high: int | None) -> str:
    """Format a forecast of language model calls: `26 to 36 language model calls`; `high` is None without a bound."""
    if high is None:
        return f"at least {counted(low, 'language model call')}"
    return counted(low, "language model call") if low == high else f"{low:,} to {counted(high, 'language model call')}"


def _gain(won: str, initial: float | None, best: float, unit: str | None) -> str:
    if not math.isfinite(best):
        return f"{won}, whose score is not a finite number"
    score = score_value_text(best, unit)
    if initial is None or not math.isfinite(initial):
        return f"score {score}, {won}"
    return f"from {score_value_text(initial, unit)} to {score}, {won}"


def result_text(view: CompileView, result: CompileResult) -> str:
    """Format the result of an ended optimization: scores, the trial that won, usage, duration."""
    used = f"{use_text(result.usage)}, in {run_duration_text(result.seconds)}"
    best = view.best
    parts: list[str] = [] if result.error is None else [_ending(result.error)]
    if result.failure is not None:
        parts.append(f"every example failed: {result.failure}")
    elif best is not None and result.best_score is not None:
        won = f"trial {best.index} {'won' if result.error is None else 'leads'} ({choice_text(best)})"
        parts.append(_gain(won, result.initial_score, result.best_score, result.unit))
    return "; ".join([*parts, used])
