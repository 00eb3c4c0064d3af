"""Text of where a running optimization is: trials that ended, the one that runs or the phase, the best score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.reporting.planned_trials import ended_trials_text
from otel_dspy.reporting.trials.trial_line import score_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.reporting.terminal.compile_progress import CompileView


def running_steps(view: CompileView) -> Iterator[str]:
    """Yield `2 of 9 trials`, `trial 2 is running`, `5 examples`, or `phase bootstrap`; then `best 60.0 %`."""
    if view.running is not None:
        yield ended_trials_text(len(view.trials), view.planned)
        yield f"trial {view.running} is running"
        yield counted(view.examples, "example")
    elif view.phase is not None:
        yield f"phase {view.phase}"
    if (best := view.best) is not None:
        yield f"best {score_text(best)}"
