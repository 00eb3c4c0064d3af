from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Param, Run, RunData, RunInfo

from otel_dspy.rerun.recorded_run import RecordedRun

NO_SERVER = "http://127.0.0.1:9"


def recorded(status: str, scores: list[float | None]) -> RecordedRun:
    """An optimization whose optimizer keeps trial 0 as the best; a score that is NaN is None in the summary."""
    trials: list[dict[str, Any]] = [
        {"index": index, "scope": "full", "state": "complete", "score": score} for index, score in enumerate(scores)
    ]
    run = Run(RunInfo("run", "0", "user", status, 1000, None, "active"), RunData([], list[Param](), []))
    return RecordedRun(MlflowClient(NO_SERVER), NO_SERVER, run, {}, {"best_trial": 0, "trials": trials})


@pytest.mark.parametrize("status", ["RUNNING", "KILLED", "FAILED"])
def test_a_trial_without_a_score_is_not_the_best_so_far(status: str) -> None:
    """A random search keeps a leading NaN, since no number is larger; the highest score is another trial's."""
    best = recorded(status, [None, -2.0, -1.0]).best_trial()
    assert best is not None
    assert (best.index, best.score) == (2, -1.0)
    assert recorded(status, [None]).best_trial() is None


def test_of_a_finished_one_it_is_the_returned_program() -> None:
    """Whatever its score is."""
    best = recorded("FINISHED", [None, -2.0]).best_trial()
    assert best is not None
    assert best.index == 0
