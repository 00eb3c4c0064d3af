"""Distribution of a trial's answers, and whether one answer dominates it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.reporting.compile_result import Compile, Trial

_FEWEST: Final = 5
"""Below this number of examples the distribution of answers means little."""
_DOMINANT: Final = 0.75
_EXCESS: Final = 0.15


@dataclass(frozen=True)
class Dominance:
    """One value that a trial predicts far more often than the labels have it."""

    field: str
    value: str
    predicted: int
    labeled: int
    n: int


def value_text(value: object) -> str:
    """Return a value as it is compared and shown: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def labels_and_predictions(found: Compile, trial: Trial) -> dict[str, list[tuple[str, str]]]:
    """Return (label, prediction) of each example, by field; examples without either are left out."""
    labels: dict[str, Mapping[str, object]] = {example.id: example.labels for example in found.examples}
    pairs: dict[str, list[tuple[str, str]]] = {}
    for result in trial.results:
        for field, predicted in result.prediction.items():
            label = labels.get(result.example, {}).get(field)
            if label is not None:
                pairs.setdefault(field, []).append((value_text(label), value_text(predicted)))
    return pairs


def dominances(found: Compile, trial: Trial) -> list[Dominance]:
    """Return the fields for which at least three quarters of the answers are the same, more than the labels have it."""
    dominant: list[Dominance] = []
    for field, pairs in labels_and_predictions(found, trial).items():
        value, predicted = Counter(prediction for _, prediction in pairs).most_common(1)[0]
        labeled = sum(label == value for label, _ in pairs)
        n = len(pairs)
        if n >= _FEWEST and predicted >= _DOMINANT * n and predicted - labeled >= _EXCESS * n:
            dominant.append(Dominance(field, value, predicted, labeled, n))
    return dominant
