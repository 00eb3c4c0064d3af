"""Phase of an optimization that is running, from the trials that are recorded so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile


def running_phase(found: Compile) -> str | None:
    """Return the phase that a running optimization is in; None if it is unknown, or if the trials are its only phase.

    A phase is recorded at its end, so it follows from the trials: those of MIPROv2 (dspy 3.4.1) are all in its last
    phase, after `bootstrap` and `propose`; those of SIMBA have the number of their step. GEPA's phases are parts of its
    trials.
    """
    if found.status != "RUNNING" or not found.trials:
        return None
    match found.optimizer:
        case "MIPROv2":
            return "search"
        case "SIMBA":
            steps = [step for trial in found.trials if isinstance(step := trial.row.parameters.get("step"), int)]
            return f"step {max(steps)}" if steps else None
        case _:
            return None
