from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from otel_dspy.telemetry.leaderboard import Leaderboard, Standing


@dataclass(frozen=True)
class Entry:
    """One trial as it is entered."""

    score: float | None
    full: bool
    baseline: bool


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.none() | st.sampled_from([0.0, 0.5, 1.0, -1.0]) | st.floats(),
        st.booleans(),
        st.booleans(),
    )
)


def counted(entries: list[Entry]) -> list[tuple[int, float]]:
    """Index and score of the trials that may be best."""
    return [
        (index, entry.score)
        for index, entry in enumerate(entries)
        if entry.full and entry.score is not None and not math.isnan(entry.score)
    ]


@given(ENTRIES)
def test_the_leaderboard_is_what_its_definition_says(entries: list[Entry]) -> None:
    """After each trial the best is the largest full-scope score so far, held by the first trial that reached it."""
    board = Leaderboard()
    for number, entry in enumerate(entries):
        standing = board.enter(number, entry.score, full=entry.full, baseline=entry.baseline)
        before, now = counted(entries[:number]), counted(entries[: number + 1])
        best = max((score for _, score in now), default=None)
        raised = len(now) > len(before) and (not before or now[-1][1] > max(score for _, score in before))
        assert standing == Standing(best, raised)
        assert board.best_score == best
        assert board.best_index == next((index for index, score in now if score == best), None)
    baselines = [entry.score for entry in entries if entry.baseline and entry.score is not None]
    assert board.initial_score == next((score for score in baselines if not math.isnan(score)), None)


def test_nan_never_leads() -> None:
    """A NaN that came first would stay ahead for ever, since nothing is larger than it."""
    board = Leaderboard()
    assert board.enter(0, float("nan"), full=True, baseline=True) == Standing(None, is_best=False)
    assert board.enter(1, 0.1, full=True, baseline=False) == Standing(0.1, is_best=True)
    assert board.initial_score is None
