"""Significance of the difference of two programs on the same examples: paired tests, by SciPy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from scipy import stats

from otel_dspy.reporting.statistics.intervals import bootstrap_interval, is_binary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.statistics.intervals import Interval

SIGNIFICANT: Final = 0.05
SIGN_TEST: Final = "exact sign test"
SIGNED_RANK_TEST: Final = "Wilcoxon signed-rank test"
_MOST_EXAMPLES: Final = 2_000
_stats = cast("Any", stats)
"""SciPy has no types."""


@dataclass(frozen=True)
class PairedTest:
    """Comparison of scores before and after, on the same examples."""

    n: int
    """Number of examples that both have scored."""
    gained: int
    """Examples with a higher score after."""
    lost: int
    """Examples with a lower score after."""
    difference: float
    """Mean of the differences of the scores."""
    interval: Interval | None
    """95 % interval of `difference`, by bootstrap; None for one example."""
    p_value: float
    """Two-sided: probability of a difference at least as large if both were equally good."""
    method: str
    mean_agrees: bool
    """Whether `difference` has the direction of the test. Ranks and mean part where one example changed by more than
    many others together: the test shows no difference of the means then."""
    needed: int | None
    """Number of examples from which the same rates of gains and losses would be significant; None if they are already,
    if there is no difference, or if it is above 2,000."""

    @property
    def significant(self) -> bool:
        """Whether `p_value` is below 0.05, and the mean has the direction of the test."""
        return self.p_value < SIGNIFICANT and self.mean_agrees

    @property
    def contradicts_mean(self) -> bool:
        """Whether `p_value` is below 0.05, and the mean has another direction than the test."""
        return self.p_value < SIGNIFICANT and not self.mean_agrees


def paired_test(before: Sequence[float], after: Sequence[float]) -> PairedTest | None:
    """Compare the scores of the same examples; None without any.

    For scores of 0 and 1 the test is the exact binomial test of gains against losses (McNemar's exact test), else
    Wilcoxon's signed-rank test.

    Raises:
        ValueError: The sequences differ in length.
    """
    differences = [new - old for old, new in zip(before, after, strict=True)]
    n = len(differences)
    if not n:
        return None
    gained, lost = sum(change > 0 for change in differences), sum(change < 0 for change in differences)
    binary = is_binary(before) and is_binary(after)
    p_value = sign_test(gained, lost) if binary else _signed_rank(differences)
    needed = None
    if p_value >= SIGNIFICANT and gained != lost:
        needed = _needed_pairs(n, gained, lost) if binary else _needed_by_deviation(differences)
    return PairedTest(
        n=n,
        gained=gained,
        lost=lost,
        difference=fmean(differences),
        interval=bootstrap_interval(differences) if n > 1 else None,
        p_value=p_value,
        method=SIGN_TEST if binary else SIGNED_RANK_TEST,
        mean_agrees=_direction(differences) * fmean(differences) > 0,
        needed=needed,
    )


def sign_test(gained: int, lost: int) -> float:
    """Return the two-sided p-value of the exact binomial test; 1 if nothing changed."""
    return float(_stats.binomtest(gained, gained + lost, 0.5).pvalue) if gained + lost else 1.0


def _signed_rank(differences: Sequence[float]) -> float:
    changed = [change for change in differences if change]
    if not changed:
        return 1.0
    return float(_stats.wilcoxon(np.asarray(changed, dtype=float)).pvalue)


def _direction(differences: Sequence[float]) -> float:
    """Return the sum of the signed ranks: positive where the test is in favor of the program after."""
    changed = np.asarray([change for change in differences if change], dtype=float)
    return float(np.sum(np.sign(changed) * _stats.rankdata(np.abs(changed)))) if len(changed) else 0.0


def _needed_pairs(n: int, gained: int, lost: int) -> int | None:
    size = n + 1
    while size <= _MOST_EXAMPLES:
        if sign_test(round(gained * size / n), round(lost * size / n)) < SIGNIFICANT:
            return size
        size += max(1, size // 50)  # 2 %: the figure is an estimate
    return None


def _needed_by_deviation(differences: Sequence[float]) -> int | None:
    mean = fmean(differences)
    if len(differences) < 2 or not mean:  # noqa: PLR2004 - one value has no deviation
        return None
    quantile = float(_stats.norm.ppf(1 - SIGNIFICANT / 2))
    size = math.ceil((quantile * stdev(differences) / mean) ** 2)
    return size if len(differences) < size <= _MOST_EXAMPLES else None
