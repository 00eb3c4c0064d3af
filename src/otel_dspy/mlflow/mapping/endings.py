"""Status of a run, by the type of its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import RunStatus

INTERRUPTIONS: Final = frozenset(
    {"KeyboardInterrupt", "SystemExit", "CancelledError", "GeneratorExit", "BudgetExceeded"}
)
"""Names of exceptions that stop a program from outside, or at its budget: the run was KILLED rather than FAILED."""


def run_status(error_type: str | None, *, failed: bool) -> RunStatus:
    """Return FINISHED, FAILED or KILLED. The type may be qualified: `asyncio.exceptions.CancelledError`."""
    if not failed:
        return "FINISHED"
    return "KILLED" if (error_type or "").rpartition(".")[2] in INTERRUPTIONS else "FAILED"
