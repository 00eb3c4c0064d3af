"""A GEPA optimization in MLflow that continues from a checkpoint and is killed."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

import pytest
from inline_snapshot import snapshot
from mlflow import MlflowClient

from tests.integration.end_to_end.conftest import tracked
from tests.support.artifact_tables import table
from tests.support.blank_store import blank_store
from tests.support.gepa_task import VALSET, Interrupted, graded, optimize
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A local store with an experiment."""
    folder = tmp_path_factory.mktemp("gepa")
    uri = blank_store(folder)
    MlflowClient(uri).create_experiment("killed", artifact_location=(folder / "killed").as_uri())
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
