"""Change of an example's score against another program's, as the value of a trace's tag."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from otel_dspy.formatting.stop_reasons import is_stop

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span_records import ExampleRecord


def counted_score(example: ExampleRecord) -> float | None:
    """Return the score of an example, 0 if it failed; None without one, or if interrupted, or if another run counts."""
    if example.repeated or is_stop(example.error_type):
        return None
    return 0.0 if example.error_type is not None else example.score


def change(score: float | None, before: float | None) -> str | None:
    """Return `improved`, `worse` or `same`; None if one of the scores is not known or no number."""
    if before is None or score is None or math.isnan(score - before):
        return None
    if score == before:
        return "same"
    return "improved" if score > before else "worse"
