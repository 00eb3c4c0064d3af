"""Language models that each role called, from the usage by role and the usage by model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otel_dspy.reporting.trials.trial_row import ModelUse


class _Counts(NamedTuple):
    """What roles and models both add up to the same total."""

    calls: int
    tokens: int
    unpriced_calls: int

    def minus(self, other: _Counts) -> _Counts | None:
        """Return the difference; None if it were negative."""
        left = _Counts(*(mine - its for mine, its in zip(self, other, strict=True)))
        return left if min(left) >= 0 else None


def role_models(by_role: Mapping[str, ModelUse], by_model: Mapping[str, ModelUse]) -> dict[str, tuple[str, ...]]:
    """Return the models of each role, ordered by name; empty if they do not follow from the counts.

    Calls and tokens are recorded by role and by model, not by both. They determine the models where each role has
    called one model, or each model was called by one role, and only one assignment gives exactly the recorded counts.
    A single model is that of all roles.

    Args:
        by_role: usage of each role.
        by_model: usage of each model.
    """
    if len(by_model) == 1:
        return dict.fromkeys(by_role, tuple(by_model))
    roles, models = _counts(by_role), _counts(by_model)
    found: set[tuple[tuple[str, str], ...]] = set()
    for assigned in _assignments(roles, models):
        found.add(tuple(sorted(assigned.items())))
        if len(found) > 1:
            return {}
    for assigned in _assignments(models, roles):
        found.add(tuple(sorted((role, model) for model, role in assigned.items())))
        if len(found) > 1:
            return {}
    pairs = next(iter(found), ())
    return {role: tuple(model for one, model in pairs if one == role) for role in by_role} if pairs else {}


def _counts(uses: Mapping[str, ModelUse]) -> dict[str, _Counts]:
    return {name: _Counts(use.calls, use.tokens, use.unpriced_calls) for name, use in uses.items()}


def _assignments(parts: Mapping[str, _Counts], wholes: Mapping[str, _Counts]) -> Iterator[dict[str, str]]:
    """Yield each assignment of all parts to wholes, after which every whole is the sum of its parts."""
    if not parts:
        if not any(any(whole) for whole in wholes.values()):
            yield {}
        return
    (name, part), *rest = sorted(parts.items(), key=lambda one: (-one[1].tokens, one[0]))
    for whole, counts in wholes.items():
        left = counts.minus(part)
        if left is not None:
            for further in _assignments(dict(rest), {**wholes, whole: left}):
                yield {name: whole, **further}
