"""Cost by role and by model, and what was used outside of trials."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.reporting.number_text import role_text
from otel_dspy.reporting.sections.role_models import role_models
from otel_dspy.reporting.trials.trial_row import ModelUse

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile, Predictor


@dataclass(frozen=True)
class Part:
    """A part of the usage."""

    name: str
    use: ModelUse
    share: float
    """Share of all tokens, 0 to 1."""
    models: tuple[str, ...] = ()
    """Models of a role; empty for a model, and if they are not known."""


@dataclass(frozen=True)
class Cost:
    """Usage of an optimization."""

    total: ModelUse
    roles: tuple[Part, ...]
    models: tuple[Part, ...]
    """Empty with a single model."""
    outside: ModelUse
    """Usage outside of trials, in all roles."""
    outside_text: str
    """What was used outside of trials, by role where each trial's usage by role is recorded; empty if no call was
    observed."""
    prompt_before: int
    prompt_after: int
    """Characters of instructions and demos of the initial program and of the winner, over all predictors; 0 if they are
    not recorded. A call of the model sends those of one predictor."""
    unpriced: tuple[str, ...]
    """Models without a known price, as DSPy names them."""


def cost(found: Compile) -> Cost:
    """Return the usage of an optimization."""
    whole, inside = found.usage, ModelUse()
    for trial in found.trials:
        inside = inside.plus(trial.row.use)
    known = whole.cost is not None and inside.cost is not None
    outside = ModelUse(
        max(0, whole.calls - inside.calls),
        max(0, whole.tokens - inside.tokens),
        max(0.0, (whole.cost or 0.0) - (inside.cost or 0.0)) if known else None,
    )

    def parts(uses: dict[str, ModelUse]) -> tuple[Part, ...]:
        ordered = sorted(uses.items(), key=lambda one: (-one[1].tokens, one[0]))
        return tuple(Part(name, use, use.tokens / whole.tokens if whole.tokens else 0.0) for name, use in ordered)

    models = parts(dict(found.usage_by_model))
    called = role_models(found.usage_by_role, found.usage_by_model)
    return Cost(
        whole,
        tuple(replace(part, models=called.get(part.name, ())) for part in parts(dict(found.usage_by_role))),
        models if len(models) > 1 else (),
        outside,
        _outside_text(found, outside),
        _length(found.initial_program),
        _length(found.best_program),
        tuple(name for name, use in sorted(found.usage_by_model.items()) if _is_unpriced(use)),
    )


def _outside_text(found: Compile, outside: ModelUse) -> str:
    if not found.usage.observed or not found.usage.calls:
        return ""
    if not outside.calls and not outside.tokens:
        return "all of it in trials"
    total = f"outside of trials: {counted(outside.tokens, 'token')}"
    if not found.usage_by_role or any(trial.row.lm_calls and not trial.roles for trial in found.trials):
        return total
    tokens = {
        role: use.tokens - sum(trial.roles[role].tokens for trial in found.trials if role in trial.roles)
        for role, use in found.usage_by_role.items()
    }
    used = sorted(((role, number) for role, number in tokens.items() if number > 0), key=lambda one: (-one[1], one[0]))
    return f"{total} ({', '.join(f'{role_text(role)} {number:,}' for role, number in used)})" if used else total


def _is_unpriced(use: ModelUse) -> bool:
    return bool(use.unpriced_calls or (use.cost is None and use.tokens))


def _length(program: tuple[Predictor, ...]) -> int:
    return sum(
        len(predictor.instructions) + sum(len(str(value)) for demo in predictor.demos for value in demo.values())
        for predictor in program
    )
