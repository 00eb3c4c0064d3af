"""Number of trials that an optimizer will run, from its parameters, and how many of them have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from otel_dspy.formatting.counted_nouns import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def planned_trials(optimizer: str, parameters: Mapping[str, object]) -> int | None:
    """Return the number of trials that `optimizer` (a class name) will run; None if it is unknown.

    MIPROv2 (dspy 3.4.1, `_optimize_prompt_parameters`) scores the initial program in one trial; with minibatches, it
    scores the best candidate in full every `minibatch_full_eval_steps` trials and after the last one.
    BootstrapFewShotWithRandomSearch (`random_search.py`) runs seeds from -3, of these only those in `restrict`.
    """
    match optimizer:
        case "MIPROv2":
            trials = _number(parameters, "num_trials")
            if trials is None:
                return None
            if not parameters.get("minibatch"):
                return 1 + trials
            steps = _number(parameters, "minibatch_full_eval_steps")
            return None if not steps else 1 + trials + -(-trials // steps)
        case "BootstrapFewShotWithRandomSearch":
            candidates = _number(parameters, "num_candidate_programs")
            if candidates is None:
                return None
            seeds, allowed = range(-3, candidates), parameters.get("restrict")
            return len(seeds) if allowed is None else _among(seeds, allowed)
        case _:
            return None


def ended_trials_text(ended: int, planned: int | None) -> str:
    """Format how many trials have ended, and of how many: `4 of 9 trials`, or `1 trial` if that is unknown."""
    return f"{ended} of {counted(planned, 'trial')}" if planned and planned >= ended else counted(ended, "trial")


def _among(seeds: range, allowed: object) -> int | None:
    """Return how many of the seeds are in a recorded list; None if it was recorded in part."""
    if not isinstance(allowed, list | tuple):
        return None
    return len(set(seeds) & set(cast("Iterable[object]", allowed)))


def _number(parameters: Mapping[str, object], name: str) -> int | None:
    value = parameters.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
