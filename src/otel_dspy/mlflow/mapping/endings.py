"""Status of a run, by the type of its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import RunStatus

_AT_BUDGET: Final = "BudgetExceeded"
INTERRUPTIONS: Final = frozenset({"KeyboardInterrupt", "SystemExit", "CancelledError", "GeneratorExit", _AT_BUDGET})
"""Names of exceptions that stop a program from outside, or at its budget: the run was KILLED rather than FAILED."""


def run_status(error_type: str | None, *, failed: bool) -> RunStatus:
    """Return FINISHED, FAILED or KILLED. The type may be qualified: `asyncio.exceptions.CancelledError`."""
    if not failed:
        return "FINISHED"
    return "KILLED" if _name(error_type) in INTERRUPTIONS else "FAILED"


def is_interrupted(error_type: str | None) -> bool:
    """Return whether the program is about to end: it was stopped from outside, not at its budget."""
    return _name(error_type) in INTERRUPTIONS - {_AT_BUDGET}


def _name(error_type: str | None) -> str:
    return (error_type or "").rpartition(".")[2]
