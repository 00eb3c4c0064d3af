from __future__ import annotations

import math

import pytest

from otel_dspy.reporting.number_text import paired_test_text
from otel_dspy.reporting.statistics.intervals import mean_interval
from otel_dspy.reporting.statistics.significance import paired_test, sign_test


def by_counting(gained: int, lost: int) -> float:
    """Two-sided exact binomial probability, summed by hand."""
    n = gained + lost
    tail = sum(math.comb(n, count) for count in range(max(gained, lost), n + 1)) / 2**n
    return min(1.0, 2 * tail)


@pytest.mark.parametrize(("gained", "lost"), [(10, 4), (5, 0), (6, 0), (3, 3), (0, 8), (1, 0)])
def test_the_sign_test_is_the_exact_binomial_one(gained: int, lost: int) -> None:
    """Its p-value is the sum of the binomial probabilities."""
    assert sign_test(gained, lost) == pytest.approx(by_counting(gained, lost))


def test_scores_of_zero_and_one_are_compared_by_sign() -> None:
    """10 gains and 4 losses of 20 are not significant; how many examples would be is estimated."""
    before = [0.0] * 10 + [1.0] * 4 + [1.0] * 6
    after = [1.0] * 10 + [0.0] * 4 + [1.0] * 6
    found = paired_test(before, after)
    assert found is not None
    assert (found.n, found.gained, found.lost, found.method) == (20, 10, 4, "exact sign test")
    assert found.p_value == pytest.approx(0.1796, abs=1e-4)
    assert found.difference == pytest.approx(0.3)
    assert not found.significant
    assert found.needed is not None
    assert by_counting(round(10 * found.needed / 20), round(4 * found.needed / 20)) < 0.05
    assert by_counting(round(10 * 30 / 20), round(4 * 30 / 20)) > 0.05  # fewer are not enough
    assert found.interval is not None
    assert found.interval.low < 0.3 < found.interval.high


def test_a_clear_gain_needs_no_more_examples() -> None:
    """Ten gains without a loss are significant."""
    found = paired_test([0.0] * 10, [1.0] * 10)
    assert found is not None
    assert (found.significant, found.needed, found.p_value) == (True, None, pytest.approx(2 / 1024))


def test_graded_scores_are_compared_by_rank() -> None:
    """Six different gains of graded scores: the exact signed-rank test gives 2 / 2**6."""
    found = paired_test([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
    assert found is not None
    assert (found.method, found.gained, found.lost) == ("Wilcoxon signed-rank test", 6, 0)
    assert found.p_value == pytest.approx(2 / 64)


def test_no_change_is_no_evidence() -> None:
    """The same scores before and after have p = 1, and no number of examples would separate them."""
    for scores in ([1.0, 0.0, 1.0], [0.2, 0.7, 0.1]):
        found = paired_test(scores, scores)
        assert found is not None
        assert (found.p_value, found.needed, found.gained, found.lost) == (1.0, None, 0, 0)


def test_without_examples_there_is_no_test() -> None:
    """Nothing to compare is None; sequences of different lengths are an error."""
    assert paired_test([], []) is None
    with pytest.raises(ValueError, match="zip"):
        paired_test([1.0], [])


def test_wilson_interval() -> None:
    """7 of 10: Wilson's formula by hand."""
    n, p, z = 10, 0.7, 1.959964
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert mean_interval([1.0] * 7 + [0.0] * 3) == pytest.approx((center - half, center + half), abs=1e-6)


def test_interval_of_graded_scores_repeats() -> None:
    """The bootstrap has a fixed seed and lies around the mean; equal scores have no width."""
    scores = [0.1, 0.4, 0.35, 0.8, 0.9, 0.55]
    first, second = mean_interval(scores), mean_interval(scores)
    assert first == second
    assert first is not None
    assert 0.1 < first.low < sum(scores) / 6 < first.high < 0.9
    assert mean_interval([0.5, 0.5]) == (0.5, 0.5)
    assert mean_interval([0.5]) is None


def test_ranks_are_no_evidence_for_a_mean_of_the_other_direction() -> None:
    """20 small gains outrank one loss that is larger than all of them: the means do not differ significantly."""
    found = paired_test([0.5] * 21, [0.51] * 20 + [0.0])
    assert found is not None
    assert found.p_value < 0.001
    assert found.difference < 0
    assert (found.significant, found.contradicts_mean) == (False, True)
    assert paired_test_text(found) == "p < 0.001, Wilcoxon signed-rank test, but the mean has the other direction"
    clear = paired_test([0.5] * 21, [0.55] * 20 + [0.4])
    assert clear is not None
    assert (clear.significant, clear.contradicts_mean) == (True, False)


@pytest.mark.parametrize(
    ("differences", "needed"),
    [
        # (1.96 s / m) ** 2, for the mean m and the deviation s of the differences: 9.7, 3.4, 1.9 and far above 2,000.
        ((0.1, -0.05, 0.2, 0.02), 10),
        ((0.5, 0.1), 4),
        ((0.3, 0.1), None),
        ((0.1, -0.1, 0.0001), None),
        ((0.1,), None),
    ],
    ids=["four", "two", "fewer-than-there-are", "too-many", "one"],
)
def test_how_many_graded_examples_are_needed(differences: tuple[float, ...], needed: int | None) -> None:
    """From the deviation of the differences; one example has none."""
    found = paired_test([0.25] * len(differences), [0.25 + difference for difference in differences])
    assert found is not None
    assert not found.significant
    assert found.needed == needed
    assert (found.interval is None) == (len(differences) == 1)
