"""Live progress of an optimization in a terminal: phase, trial i of n, best score so far."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from otel_dspy.reporting.rich_classes import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from otel_dspy.reporting.terminal.compile_progress import CompileWatch
from otel_dspy.reporting.terminal.running_text import running_steps
from otel_dspy.reporting.trials.trial_line import trial_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.console import Console

    from otel_dspy.reporting.terminal.compile_progress import CompileView


@contextmanager
def live_progress(console: Console) -> Generator[CompileWatch]:
    """Show the progress of the spans that the yielded span processor receives, while the block runs.

    On a terminal this is one updated line, below what is printed meanwhile; elsewhere (a file, a CI log) one line per
    phase and per trial. Where standard output is redirected away from the console, it stays so.
    """
    if not console.is_terminal:
        yield CompileWatch(_Lines(console))
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    printed = console.file is sys.stdout
    with Progress(*columns, console=console, transient=True, redirect_stdout=printed) as progress:
        task = progress.add_task("starting", total=None)

        def update(view: CompileView) -> None:
            progress.update(task, description=_status(view), completed=len(view.trials), total=view.planned)

        yield CompileWatch(update)


def _status(view: CompileView) -> str:
    return " · ".join((view.optimizer, *running_steps(view)))


class _Lines:
    """Prints a line when the phase changes or a trial ends; called with each new view."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase: str | None = None
        self._trials = 0

    def __call__(self, view: CompileView) -> None:
        if view.phase not in (None, self._phase):
            self._console.print(f"phase {view.phase}", markup=False, highlight=False)
        self._phase = view.phase
        for row in view.trials[self._trials :]:
            self._console.print(trial_line(row, view.planned), markup=False, highlight=False, soft_wrap=True)
        self._trials = len(view.trials)
