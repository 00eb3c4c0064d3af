"""Phase of an optimization that is running, from what is recorded so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.serialization.json_types import whole_number

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile

_MIPRO_V2: Final = ("bootstrap", "propose", "search")
"""Phases of MIPROv2 in order (dspy 3.4.1); its trials are all in the last one."""

_BEFORE_TRIALS: Final = {"BootstrapFewShot": "bootstrap", "BootstrapFinetune": "bootstrap", "InferRules": "bootstrap"}
_IN_TRIALS: Final = {"BootstrapFinetune": "finetune"}


def running_phase(found: Compile) -> str | None:
    """Return the phase that a running optimization is in; None if it is unknown, or if the trials are its only phase.

    A phase is recorded at its end, so the one that runs is the next. InferRules and BootstrapFinetune bootstrap before
    their first trial; the trials of BootstrapFinetune are fine-tuning jobs. GEPA's phases are parts of its trials.
    """
    if found.status != "RUNNING":
        return None
    match found.optimizer:
        case "MIPROv2":
            return _after(found.ended_phases) if not found.trials else _MIPRO_V2[-1]
        case "SIMBA":
            return _simba(found)
        case optimizer:
            return (_IN_TRIALS if found.trials else _BEFORE_TRIALS).get(optimizer)


def _simba(found: Compile) -> str:
    """Return SIMBA's step, or its validation after the last one.

    Its first step begins before the first trial. Trials have the number of their step, and are scored at its end; one
    whose strategy failed ends before that, without a score.
    """
    steps = [
        step + (trial.row.score is not None)
        for trial in found.trials
        if (step := whole_number(trial.row.parameters.get("step"))) is not None
    ]
    step, planned = max(steps, default=0), whole_number(found.parameters.get("max_steps"))
    return "validate" if planned is not None and step >= planned else f"step {step}"


def _after(ended: frozenset[str]) -> str:
    known = [number for number, phase in enumerate(_MIPRO_V2[:-1], 1) if phase in ended]
    return _MIPRO_V2[max(known, default=0)]
