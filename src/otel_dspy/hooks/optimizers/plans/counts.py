"""Check of the counts that plans multiply: numbers of trials, candidates, demos and rounds, sizes of minibatches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, SupportsIndex

if TYPE_CHECKING:
    from collections.abc import Mapping

_COUNTS: Final = (
    "num_trials", "num_candidates", "num_candidate_sets", "minibatch_size", "minibatch_full_eval_steps",
    "view_data_batch_size", "max_bootstrapped_demos", "max_labeled_demos", "max_demos", "max_rounds", "breadth",
    "depth", "max_steps", "bsize", "max_full_evals", "max_metric_calls", "reflection_minibatch_size", "num_threads",
)  # fmt: skip
"""Arguments of compile, and attributes of optimizers."""
_MOST: Final = 1_000_000
"""More trials or candidates than any optimization has: a plan goes through them one by one."""
_PLANNED_SINGLY: Final = frozenset({"num_trials", "num_candidates", "num_candidate_sets"})


def invalid_count(optimizer: object, arguments: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a count of the optimizer or of its compile, and what to give; None if nothing is.

    Args:
        optimizer: the optimizer.
        arguments: the given arguments of compile by name.
    """
    attributes = getattr(optimizer, "__dict__", {})
    for where, given in (("compile", arguments), (type(optimizer).__name__, attributes)):
        for name in _COUNTS:
            value = given.get(name)
            if value is None:
                continue
            if not _is_count(value):
                return f"{name}={value!r} of {where} is not a count: use a whole number of 0 or more"
            if name in _PLANNED_SINGLY and value > _MOST:
                return f"{name}={value!r} of {where} is more than a forecast is made for: {_MOST:,}"
    return None


def _is_count(value: Any) -> bool:
    if isinstance(value, float):
        return value >= 0 and value.is_integer()
    return isinstance(value, SupportsIndex) and not isinstance(value, bool) and value.__index__() >= 0
