"""A GEPA optimization in MLflow that continues from a checkpoint and is killed."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot
from mlflow import MlflowClient

import otel_dspy
from tests.integration.end_to_end.conftest import tracked
from tests.support.artifact_tables import table
from tests.support.blank_store import blank_store
from tests.support.gepa_task import VALSET, Interrupted, Pair, graded, optimize
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A local store with an experiment for each test."""
    folder = tmp_path_factory.mktemp("gepa")
    uri = blank_store(folder)
    for name in ("killed", "finished", "changed"):
        MlflowClient(uri).create_experiment(name, artifact_location=(folder / name).as_uri())
    return uri


def test_a_run_resumed_from_a_checkpoint_and_killed(store: str, tmp_path: Path) -> None:
    """It records its origin and what was found before; the trial in which Ctrl-C came is killed, as is the run."""
    optimize(log_dir=str(tmp_path), max_metric_calls=25)
    with tracked(store, "killed"), pytest.raises(KeyboardInterrupt):
        optimize(log_dir=str(tmp_path), metric=Interrupted(8, KeyboardInterrupt(), graded))
    (run,) = read_tree(store, "killed").runs
    assert (run.status, run.tags["error.type"]) == ("KILLED", "KeyboardInterrupt")
    assert (run.tags["dspy.compile.resumed.from"], run.tags["dspy.compile.resumed.iteration"]) == (str(tmp_path), "3")
    assert [(child.name, child.status, child.tags["dspy.trial.state"]) for child in run.children] == snapshot(
        [
            ("trial 0: start, candidate 0, restored", "FINISHED", "complete"),
            ("trial 1: candidate 1, restored", "FINISHED", "complete"),
            ("trial 2: candidate 2, restored", "FINISHED", "complete"),
            ("trial 3: proposal from candidate 1", "KILLED", "fail"),
        ]
    )
    assert run.metrics["score/full"] == snapshot(((0, 0.3333333333333333), (1, 0.5), (2, 0.5)))
    # What the seed scored again before gepa loaded the checkpoint is the compile's; trial 0 has gepa's stored rows.
    assert len(run.artifacts["resume_table.json"]["data"]) == len(VALSET)
    assert "result_table.json" not in run.children[0].artifacts
    stored = [row["score"] for row in table(run.children[0].artifacts["scores.json"])]
    assert fmean(stored) == pytest.approx(1 / 3)


def _by_example(store: str, experiment: str) -> list[list[float]]:
    """The scores by example of each accepted candidate in the report."""
    found = otel_dspy.report(tracking_uri=store, experiment=experiment).compile
    return [list(trial.scores.values()) for trial in found.trials if "candidate" in trial.row.parameters]


def test_a_report_has_the_scores_of_restored_candidates(store: str, tmp_path: Path) -> None:
    """Those that gepa had stored, which are DSPy's: start and winner are compared, here and with another run."""
    optimize(log_dir=str(tmp_path), max_metric_calls=30)
    with tracked(store, "finished"):
        first = optimize(max_metric_calls=50)
        best = optimize(log_dir=str(tmp_path), max_metric_calls=50)
    scores: list[dict[int, float]] = best.detailed_results.val_subscores
    assert _by_example(store, "finished") == [[one[number] for number in range(len(VALSET))] for one in scores]
    report = otel_dspy.report(tracking_uri=store, experiment="finished")
    winner = report.compile.winner
    assert winner is not None
    assert winner.row.parameters["restored"] is True
    assert report.verdict.evidence.startswith("Against the start, 4 examples improved and 2 got worse, of 6 ")
    alone, resumed = read_tree(store, "finished").runs
    assert (
        first.detailed_results.val_subscores[first.detailed_results.best_idx] == scores[best.detailed_results.best_idx]
    )
    compared = otel_dspy.compare(alone.id, resumed.id, tracking_uri=store)
    assert "cannot be compared" not in str(compared)
    counts: list[Any] = [child.metrics.get("score/num_examples") for child in resumed.children[: len(scores)]]
    assert counts == [((0, float(len(VALSET))),)] * len(scores)


def test_a_report_has_no_scores_of_a_checkpoint_of_something_else(store: str, tmp_path: Path) -> None:
    """They may be of other examples, which gepa's checkpoint identifies by their position alone."""
    optimize(log_dir=str(tmp_path), max_metric_calls=30)
    student: Any = Pair()
    student.left.signature = student.left.signature.with_instructions("Something else.")
    with tracked(store, "changed"):
        optimize(student, log_dir=str(tmp_path), max_metric_calls=30)
    assert not any(_by_example(store, "changed"))
