"""Status of a run, by the type of its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.stop_reasons import stop_text

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import RunStatus

_AT_BUDGET: Final = "BudgetExceeded"


def run_status(error_type: str | None, *, failed: bool) -> RunStatus:
    """Return FINISHED, FAILED or KILLED. The type may be qualified: `asyncio.exceptions.CancelledError`."""
    if not failed:
        return "FINISHED"
    return "KILLED" if stop_text(error_type) is not None else "FAILED"


def is_interrupted(error_type: str | None) -> bool:
    """Return whether the program is about to end: it was stopped from outside, not at its budget."""
    if error_type is None or stop_text(error_type) is None:
        return False
    return error_type.rpartition(".")[2] != _AT_BUDGET
