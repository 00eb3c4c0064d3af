"""Lineage of candidates that are derived from others (GEPA): accepted ones as a graph, rejected ones by reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy.trial_text import reason_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_dspy.reporting.compile_result import Compile, Trial


@dataclass(frozen=True)
class Node:
    """An accepted candidate."""

    candidate: int
    trial: int
    score: float | None
    parents: tuple[int, ...]
    components: tuple[str, ...]
    """Predictors that were changed."""
    depth: int
    """Longest path from a candidate without parents."""
    best_at: int
    """Examples on which no other candidate has a higher score: its part of the Pareto front."""
    is_winner: bool


@dataclass(frozen=True)
class Rejection:
    """A proposal that was not accepted."""

    trial: int
    parents: tuple[int, ...]
    state: str
    reason: str
    before: float | None
    after: float | None
    """Scores of parent and proposal on the minibatch."""


@dataclass(frozen=True)
class Lineage:
    """All candidates."""

    nodes: tuple[Node, ...]
    rejections: tuple[Rejection, ...]
    reasons: tuple[tuple[str, int], ...]
    """States of the rejections with their numbers, most frequent first."""


def lineage(found: Compile) -> Lineage | None:
    """Return the lineage; None if the optimizer does not record parents."""
    if not any("parents" in trial.row.parameters for trial in found.trials):
        return None
    accepted = [trial for trial in found.trials if isinstance(trial.row.parameters.get("candidate"), int)]
    best_at = _best_at(accepted)
    depths: dict[int, int] = {}
    nodes: list[Node] = []
    for trial in sorted(accepted, key=_candidate):
        candidate, parents = _candidate(trial), _numbers(trial.row.parameters.get("parents"))
        depths[candidate] = 1 + max((depths[parent] for parent in parents if parent in depths), default=-1)
        nodes.append(
            Node(
                candidate,
                trial.row.index,
                trial.row.score,
                tuple(parent for parent in parents if parent in depths and parent != candidate),
                tuple(str(name) for name in _items(trial.row.parameters.get("components"))),
                depths[candidate],
                best_at[trial.row.index],
                trial.row.index == found.best_trial,
            )
        )
    ids = {trial.row.index for trial in accepted}
    rejections = tuple(_rejection(trial) for trial in found.trials if trial.row.index not in ids)
    reasons = Counter(rejection.state for rejection in rejections).most_common()
    return Lineage(tuple(nodes), rejections, tuple(reasons))


def _best_at(trials: Iterable[Trial]) -> dict[int, int]:
    scores = {trial.row.index: trial.scores for trial in trials}
    highest: dict[str, float] = {}
    for found in scores.values():
        for example, score in found.items():
            highest[example] = max(score, highest.get(example, score))
    return {
        index: sum(score >= highest[example] for example, score in found.items()) for index, found in scores.items()
    }


def _candidate(trial: Trial) -> int:
    value = trial.row.parameters["candidate"]
    return value if isinstance(value, int) else -1


def _rejection(trial: Trial) -> Rejection:
    return Rejection(
        trial.row.index,
        _numbers(trial.row.parameters.get("parents")),
        trial.row.state,
        reason_text(trial.reason or trial.error or trial.row.state),
        trial.measures.get("minibatch_before"),
        trial.measures.get("minibatch_after"),
    )


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType] - of any items


def _numbers(value: object) -> tuple[int, ...]:
    return tuple(item for item in _items(value) if isinstance(item, int))
