"""An optimization that its budget has ended, as MLflow shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from mlflow.artifacts import download_artifacts

import otel_dspy.mlflow
from otel_dspy import BudgetExceeded
from tests.support.addition_task import exact, examples
from tests.support.blank_store import store_with_experiment
from tests.support.learning_lm import learning_lm
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from pathlib import Path


def test_the_run_is_killed_and_its_best_program_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run has the reason; the best trial so far is in a tag, and its program answers as it did in that trial."""
    uri = store_with_experiment(tmp_path, "budget")
    optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
        exact, num_candidate_programs=2, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=1
    )
    program = dspy.Predict("question -> answer")
    monkeypatch.setenv("OTEL_DSPY_REPORT", "true")
    otel_dspy.mlflow.autolog(tracking_uri=uri, experiment="budget", budget={"lm_calls": 30, "on_exceeded": "stop"})
    try:
        with dspy.context(lm=learning_lm()), pytest.raises(BudgetExceeded) as raised:
            optimizer.compile(program, trainset=examples(12))
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    (run,) = read_tree(uri, "budget").runs
    assert (run.status, run.tags["error.type"]) == ("KILLED", "otel_dspy.budget.BudgetExceeded")
    assert run.tags["error.message"] == (
        "BootstrapFewShotWithRandomSearch has exceeded its budget: 30 of 30 language model calls; the best program so "
        "far is that of trial 1 with a score of 58.33"
    )
    assert run.metrics["usage/lm_calls"][-1][1] == 30
    assert "report.html" in run.artifacts
    assert run.tags["mlflow.note.content"].startswith(
        "**BootstrapFewShotWithRandomSearch on Predict, stopped at its budget after 2 of 5 trials: best 58.3 %, trial 1 "
    )
    (best,) = [child for child in run.children if child.tags["dspy.trial.index"] == str(raised.value.best_trial)]
    assert run.tags["dspy.compile.best_trial.index"] == "1"
    assert [child.status for child in run.children] == ["FINISHED", "FINISHED", "KILLED"]
    assert [child.tags["mlflow.note.content"] for child in run.children] == [
        "start, seed -3: 50.0 % of 12",
        "seed -2: 58.3 % of 12, +8.3 against the start",
        "seed -1: stopped at its budget",
    ]
    loaded: Any = dspy.Predict("question -> answer")
    loaded.load(download_artifacts(run_id=best.id, artifact_path="model.json", tracking_uri=uri))
    assert len(loaded.demos) == 1
    with dspy.context(lm=learning_lm()):
        scored = dspy.Evaluate(devset=examples(12), metric=exact, num_threads=1)(loaded)
    assert scored.score == raised.value.best_score
