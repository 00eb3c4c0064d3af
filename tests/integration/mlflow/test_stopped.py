"""Descriptions of an optimization that is stopped while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from mlflow import MlflowClient

import otel_dspy.mlflow
from otel_dspy.environment.variable_names import REPORT
from otel_dspy.mlflow.mapping.naming import DESCRIPTION
from otel_dspy.mlflow.tracking.runs import report_writer, run_reports
from otel_dspy.mlflow.tracking.runs.description_tag import describe_stopped_run
from otel_dspy.mlflow.tracking.store.store import Store
from tests.support.addition_task import exact, examples
from tests.support.blank_store import blank_store
from tests.support.learning_lm import learning_lm
from tests.support.mlflow_tree import read_tree
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from pathlib import Path

SO_FAR = "**BootstrapFewShotWithRandomSearch on Predict, so far: 1 of 5 trials, best 50.0 %, trial 0 (start, seed -3)**"
STOPPED = (
    "**BootstrapFewShotWithRandomSearch on Predict, stopped by the user after 1 of 5 trials: "
    "best 50.0 %, trial 0 (start, seed -3)**"
)


def test_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Description and report have "so far", then "stopped by the user"; a description that the user has written stays."""
    uri = blank_store(tmp_path)
    client = MlflowClient(uri)
    client.create_experiment("stopped", artifact_location=(tmp_path / "artifacts").as_uri())
    monkeypatch.setenv(REPORT, "true")
    monkeypatch.setattr(run_reports, "EVERY", 0.0)
    calls: list[str] = []

    def interrupted(example: Any, prediction: Any, trace: object = None) -> bool:
        calls.append(example.question)
        if len(calls) == 7:
            otel_dspy.mlflow.flush()
            awaited(lambda: _headline(uri) == SO_FAR, "the description of the first trial")
            raise KeyboardInterrupt
        return exact(example, prediction, trace)

    optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
        interrupted, num_candidate_programs=2, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=1
    )
    otel_dspy.mlflow.autolog(tracking_uri=uri, experiment="stopped")
    try:
        with dspy.context(lm=learning_lm()), pytest.raises(KeyboardInterrupt):
            optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(6))
        otel_dspy.mlflow.flush()
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    (run,) = read_tree(uri, "stopped").runs
    assert run.status == "KILLED"
    first, *others, last = run.tags[DESCRIPTION].splitlines()
    assert first == STOPPED
    assert f'- Its best program so far: otel\\_dspy.best\\_program("{run.id}", program)' in others
    assert not any("failed" in line for line in others)
    assert last.startswith("Report: artifact `report.html`")
    page = run.artifacts[report_writer.PATH]
    assert "stopped by the user after 1 of 5 trials" in page
    assert "so far: 1 of 5 trials" not in page
    assert {child.name: child.tags.get(DESCRIPTION) for child in run.children} == {
        "trial 0: start, seed -3": "start, seed -3: 50.0 % of 6",
        "trial 1: seed -2": "seed -2: stopped by the user",
    }
    client.set_tag(run.id, DESCRIPTION, "Mine")
    assert describe_stopped_run(Store(uri), uri, run.id)
    assert client.get_run(run.id).data.tags[DESCRIPTION] == "Mine"


def _headline(uri: str) -> str | None:
    found = (run.tags[DESCRIPTION] for run in read_tree(uri, "stopped").runs if DESCRIPTION in run.tags)
    return next((text.splitlines()[0] for text in found), None)
