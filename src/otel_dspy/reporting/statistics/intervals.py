"""Confidence intervals of mean scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE: Final = 0.95
_RESAMPLES: Final = 2_000
_SEED: Final = 0
"""Seed of the resampling: fixed, so that reports on the same run are equal."""
_stats = cast("Any", stats)
"""SciPy has no types."""


class Interval(NamedTuple):
    """A confidence interval of 95 %."""

    low: float
    high: float

    def times(self, factor: float) -> Interval:
        """Return the interval in another unit."""
        return Interval(self.low * factor, self.high * factor)


def is_binary(scores: Sequence[float]) -> bool:
    """Whether each score is 0 or 1."""
    return all(score in (0.0, 1.0) for score in scores)


def mean_interval(scores: Sequence[float]) -> Interval | None:
    """Return the interval of the mean; None for fewer than two scores.

    Wilson's interval for scores of 0 and 1, else the percentile bootstrap with 2,000 resamples.
    """
    if len(scores) < 2:  # noqa: PLR2004 - a single score does not vary
        return None
    if is_binary(scores):
        found = _stats.binomtest(int(sum(scores)), len(scores)).proportion_ci(CONFIDENCE, method="wilson")
        return Interval(float(found.low), float(found.high))
    return bootstrap_interval(scores)


def bootstrap_interval(values: Sequence[float]) -> Interval:
    """Return the percentile bootstrap interval of the mean of two values or more."""
    if len(set(values)) == 1:
        return Interval(values[0], values[0])
    found = _stats.bootstrap(
        (np.asarray(values, dtype=float),),
        np.mean,
        n_resamples=_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))
