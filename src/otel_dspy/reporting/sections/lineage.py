"""Lineage of candidates that are derived from others: those of GEPA, else the programs of trials.

GEPA's accepted candidates are a graph, the rejected ones have their reasons.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from otel_dspy.formatting.trial_values import reason_text
from otel_dspy.reporting.sections.lineage_records import Lineage, Node, Rejection
from otel_dspy.reporting.sections.program_lineage import best_at, program_lineage
from otel_dspy.serialization.json_types import whole_number

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile, Trial


def lineage(found: Compile) -> Lineage | None:
    """Return the lineage; None if the optimizer does not record what candidates are derived from."""
    if not any("parents" in trial.row.parameters for trial in found.trials):
        return program_lineage(found)
    accepted = [trial for trial in found.trials if whole_number(trial.row.parameters.get("candidate")) is not None]
    counts = best_at({trial.row.index: trial.scores for trial in accepted})
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
                counts[trial.row.index],
                trial.row.index == found.best_trial,
            )
        )
    ids = {trial.row.index for trial in accepted}
    rejections = tuple(_rejection(trial) for trial in found.trials if trial.row.index not in ids)
    reasons = Counter(rejection.state for rejection in rejections).most_common()
    return Lineage(tuple(nodes), rejections, tuple(reasons))


def _candidate(trial: Trial) -> int:
    value = whole_number(trial.row.parameters["candidate"])
    return -1 if value is None else value


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
    return tuple(number for item in _items(value) if (number := whole_number(item)) is not None)
