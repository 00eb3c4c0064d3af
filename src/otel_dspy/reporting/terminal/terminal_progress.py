"""Span processor that shows the progress of optimizations in a terminal, for `autolog`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.reporting.terminal.compile_lines import CompileLines
from otel_dspy.reporting.terminal.compile_observers import CompileObservers

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.reporting.terminal.compile_lines import Place


class TerminalProgress(CompileObservers):
    """Writes lines about each outermost compile.

    Args:
        place: returns where a compile that starts now is recorded.
        color: whether to use colors.
    """

    def __init__(self, place: Callable[[], Place], *, color: bool) -> None:
        super().__init__(lambda: CompileLines(place(), color=color))
