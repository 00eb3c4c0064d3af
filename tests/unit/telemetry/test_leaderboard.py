from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from otel_dspy.telemetry.tallies.leaderboard import Entry as Trial
from otel_dspy.telemetry.tallies.leaderboard import Leaderboard, Standing, first_unless_greater


@dataclass(frozen=True)
class Entry:
    """One trial as it is entered."""

    score: float | None
    full: bool
    baseline: bool
    competes: bool


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.none() | st.sampled_from([0.0, 0.5, 1.0, -1.0]) | st.floats(),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    )
)


def counted(entries: list[Entry]) -> list[tuple[int, float]]:
    """Index and score of the trials that may be best."""
    return [
        (index, entry.score)
        for index, entry in enumerate(entries)
        if (entry.full or entry.competes) and entry.score is not None and not math.isnan(entry.score)
    ]


def initial_of(entries: list[Entry]) -> float | None:
    """The first score of a baseline, if it was measured on all examples and is a number."""
    first = next((entry for entry in entries if entry.baseline and entry.score is not None), None)
    return None if first is None or not first.full or first.score is None or math.isnan(first.score) else first.score


@given(ENTRIES)
def test_the_leaderboard_follows_its_definition(entries: list[Entry]) -> None:
    """After each trial the best is the largest score so far that competes, held by the first trial that reached it."""
    board = Leaderboard()
    for number, entry in enumerate(entries):
        trial = Trial(index=number, score=entry.score)
        standing = board.enter(trial, full=entry.full, baseline=entry.baseline, competes=entry.competes)
        before, now = counted(entries[:number]), counted(entries[: number + 1])
        best = max((score for _, score in now), default=None)
        raised = len(now) > len(before) and (not before or now[-1][1] > max(score for _, score in before))
        assert standing == Standing(best, raised, initial_of(entries[:number]) if entry.full else None)
        assert board.best_score == best
        assert board.best_index == next((index for index, score in now if score == best), None)
    baselines = [entry.score for entry in entries if entry.baseline and entry.score is not None]
    assert repr(board.initial_score) == repr(next(iter(baselines), None))


def test_nan_never_leads_where_the_rule_is_unknown() -> None:
    """A NaN that came first would stay ahead for ever, since nothing is larger than it. The baseline's own is recorded."""
    board = Leaderboard()
    assert board.enter(Trial(index=0, score=math.nan), full=True, baseline=True) == Standing(None, is_best=False)
    assert board.enter(Trial(index=1, score=0.1), full=True, baseline=False) == Standing(0.1, is_best=True)
    assert repr(board.initial_score) == "nan"


@given(st.lists(st.floats(), min_size=1))
def test_first_unless_greater_is_python_s_max(scores: list[float]) -> None:
    """NaN, infinities and ties count as they do for `max`, which DSPy's optimizers call."""
    entries = [Trial(index=index, score=score) for index, score in enumerate(scores)]
    best = first_unless_greater(entries)
    assert best is not None
    assert best.index == max(range(len(scores)), key=scores.__getitem__)


def test_the_program_that_is_returned_decides() -> None:
    """The best trial is one of that program, of several the first with the largest score; an unknown one changes nothing."""
    board = Leaderboard()
    for index, (score, program) in enumerate([(1.0, "a"), (3.0, "b"), (2.0, "a"), (2.0, "a")]):
        board.enter(Trial(index=index, score=score, program_id=program), full=True, baseline=False)
    board.returned("unknown")
    assert (board.best_index, board.best_score) == (1, 3.0)
    board.returned(None)
    assert (board.best_index, board.best_score) == (1, 3.0)
    board.returned("a")
    assert (board.best_index, board.best_score) == (2, 2.0)


def test_a_returned_program_that_scored_nan_has_that_score() -> None:
    """What the rule would never have taken is the best trial all the same, if it is what was returned."""
    board = Leaderboard()
    board.enter(Trial(index=0, score=1.0, program_id="a"), full=True, baseline=False)
    board.enter(Trial(index=1, score=math.nan, program_id="b"), full=True, baseline=False)
    board.returned("b")
    assert (board.best_index, repr(board.best_score)) == (1, "nan")


@given(st.lists(st.floats(), min_size=1))
def test_a_compile_that_was_stopped_has_a_best_trial_with_a_finite_score(scores: list[float]) -> None:
    """Whatever the rule keeps first; where no score is finite, the best trial stays."""
    board = Leaderboard(first_unless_greater)
    for number, score in enumerate(scores):
        board.enter(Trial(index=number, score=score), full=True, baseline=not number)
    before = board.best_index
    board.stopped()
    finite = [score for score in scores if math.isfinite(score)]
    if finite and not math.isfinite(scores[before or 0]):
        assert (board.best_index, board.best_score) == (scores.index(max(finite)), max(finite))
    else:
        assert board.best_index == before
