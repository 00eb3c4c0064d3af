"""Scores that are no plain numbers, as MLflow holds them: NaN, errors, objectives."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import dspy
from dspy.teleprompt import BootstrapFewShotWithRandomSearch

from tests.integration.end_to_end.conftest import tracked
from tests.mlflow_tree import read_tree
from tests.sums import exact, examples, sums_lm

if TYPE_CHECKING:
    from collections.abc import Sequence


def _points(points: Sequence[tuple[int, float]]) -> list[tuple[int, str]]:
    return [(step, str(value)) for step, value in points]


def test_a_nan_that_comes_first_is_the_best_score(tracking_uri: str) -> None:
    """DSPy returns the program of trial 0, whose score is NaN: run, trials, summary and best model all say so."""
    calls: list[int] = []

    def metric(gold: Any, pred: Any, trace: object = None) -> float:
        if trace is None:
            calls.append(1)
            return math.nan if len(calls) <= 4 else 1.0
        return exact(gold, pred)

    optimizer: Any = BootstrapFewShotWithRandomSearch(
        metric, num_candidate_programs=0, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=2
    )
    with tracked(tracking_uri, "nan first"), dspy.context(lm=sums_lm()):
        best = optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(6), valset=examples(4))
    (run,) = read_tree(tracking_uri, "nan first").runs
    assert [program["seed"] for program in best.candidate_programs if program["program"] is best] == [-3]
    assert run.tags["dspy.compile.best_trial.index"] == "0"
    assert _points(run.metrics["best_score"]) == [(0, "nan"), (1, "nan"), (2, "nan"), (3, "nan")]
    assert _points(run.metrics["initial_score"]) == [(3, "nan")]
    assert _points(run.metrics["eval_full"]) == [(0, "nan"), (1, "100.0"), (2, "100.0")]
    trials = [child for child in run.children if "dspy.trial.index" in child.tags]
    assert [(trial.tags["dspy.trial.is_best"], str(trial.metrics["eval"][0][1])) for trial in trials] == [
        ("true", "nan"),
        ("false", "100.0"),
        ("false", "100.0"),
    ]
    assert run.artifacts["best_model.json"] == trials[0].artifacts["model.json"]
    summary = run.artifacts["optimization_summary.json"]
    assert (summary["best_trial"], summary["best_score"], summary["trials"][0]["score"]) == (0, None, None)
    assert "NaN" not in json.dumps([run.artifacts, trials[0].artifacts])
