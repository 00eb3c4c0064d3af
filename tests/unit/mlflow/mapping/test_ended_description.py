"""The first line of the description of an ended optimization's run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.mlflow.mapping.compile_aggregator import EndedCompile
from otel_dspy.mlflow.mapping.runs.ended_description import ended_description
from otel_dspy.mlflow.records.span_records import CompileRecord, TrialRecord
from tests.support.mapped_spans import IDENTITY_ENDED, record_of

if TYPE_CHECKING:
    from collections.abc import Mapping

BEST = {"dspy.compile.best_score": 62.5, "dspy.trial.score.unit": "percent", "dspy.compile.best_trial.index": 2}
FAILURES = {
    "dspy.failures.examples": 4,
    "dspy.failures.first.type": "builtins.KeyError",
    "dspy.failures.first.message": "k",
}


def _trial(index: int) -> TrialRecord:
    given: dict[str, Any] = {"dspy.trial.index": index, "dspy.trial.label": f"set {index}", "dspy.trial.score": 50.0}
    found = record_of("trial", **IDENTITY_ENDED, **{name.replace(".", "__"): value for name, value in given.items()})
    assert isinstance(found, TrialRecord)
    return found


def _described(given: Mapping[str, Any], *trials: int, error: bool = False) -> str:
    attributes = {name.replace(".", "__"): value for name, value in given.items()}
    done = record_of("compile", error=error, **IDENTITY_ENDED, **attributes)
    assert isinstance(done, CompileRecord)
    return ended_description(EndedCompile(done, tuple(map(_trial, trials))))


@pytest.mark.parametrize(
    ("given", "trials", "expected"),
    [
        ({}, (), "finished: no score was recorded"),
        ({}, (1,), "finished after 1 trial: no score was recorded"),
        ({"dspy.compile.trial.count": 1234}, (1,), "finished after 1,234 trials: no score was recorded"),
        ({"dspy.compile.best_score": 0.5}, (1, 2), "finished after 2 trials: best 0.500"),
        (BEST, (1, 2, 3), "finished after 3 trials: best 62.5 %, trial 2 (set 2)"),
        (BEST, (1,), "finished after 1 trial: best 62.5 %, trial 2"),
        (
            {**FAILURES, "dspy.failures.all": True},
            (1,),
            "finished after 1 trial: every example failed with KeyError: k",
        ),
        (
            {**FAILURES, "dspy.failures.all": False, **BEST},
            (2,),
            "finished after 1 trial: best 62.5 %, trial 2 (set 2)",
        ),
    ],
)
def test_how_it_finished(given: Mapping[str, Any], trials: tuple[int, ...], expected: str) -> None:
    """Number of trials, best score and its trial, or why there is none."""
    assert _described(given, *trials) == f"**MIPROv2 on Solver {expected}**"


@pytest.mark.parametrize(
    ("given", "error", "expected"),
    [
        ({"error.type": "ValueError"}, True, "failed: ValueError: it broke"),
        ({"error.type": "ValueError"}, False, "failed: ValueError"),
        ({}, True, "failed: an error: it broke"),
        ({"error.type": "ValueError", **BEST}, True, "failed, best 62.5 %, trial 2: ValueError: it broke"),
        ({"error.type": "ValueError", **FAILURES, "dspy.failures.all": True}, True, "failed: ValueError: it broke"),
    ],
)
def test_why_it_failed(given: Mapping[str, Any], error: bool, expected: str) -> None:  # noqa: FBT001 - a parameter of the test
    """The error that the optimization raised, whatever its examples raised, and what was reached before."""
    assert _described(given, error=error) == f"**MIPROv2 on Solver {expected}**"
