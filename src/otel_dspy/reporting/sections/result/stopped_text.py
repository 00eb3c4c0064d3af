"""Texts on an optimization that ended before it returned: how, and how to continue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.stop_reasons import stop_text
from otel_dspy.formatting.trial_values import error_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.reporting.compile_result import Compile, Trial

_OPEN: Final = frozenset({"running", "killed"})
"""States of a trial whose end was not recorded: the status of its run."""


def stopped_text(found: Compile, trials: str, best: str | None) -> str:
    """Format how the optimization was stopped: `stopped by the user after 1 of 5 trials: best 50.0 %, trial 0`.

    Args:
        found: the optimization.
        trials: how many trials have ended.
        best: the best score and its trial; None without a full score.
    """
    how = stop_text(found.error, found.stop_reason) or "ended early"
    if all(is_stopped(trial) for trial in found.trials):
        return f"{how} before the end of its first trial"
    return f"{how} after {trials}: {best or 'no full score'}"


def after_stop(found: Compile) -> Iterator[str]:
    """Yield what a reader needs of an optimization that did not return: how to load its best program, and the cause.

    The headline has the cause of one that raised.
    """
    if found.status not in {"KILLED", "FAILED"}:
        return
    if found.winner is not None and found.run_id:
        yield f'Its best program so far: otel_dspy.best_program("{found.run_id}", program)'
    if found.status == "FAILED":
        return
    if found.error is not None:
        cause = error_text(found.error)
        if not cause.replace(".", "").isidentifier():  # a type alone adds nothing to the headline
            yield f"{cause}."
    elif found.stop_reason:
        yield f"{found.stop_reason[0].upper()}{found.stop_reason[1:]}."


def state_text(trial: Trial) -> str:
    """Return the state of a trial: `stopped` instead of `fail` if what stopped the optimization ended it."""
    return trial.row.state if stop_text(trial.error) is None else "stopped"


def is_stopped(trial: Trial) -> bool:
    """Return whether the trial was in progress when the optimization was stopped."""
    return trial.row.state in _OPEN or stop_text(trial.error) is not None
