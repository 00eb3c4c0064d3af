"""What MLflow's page *Evaluation runs* lists of otel-dspy's runs and of those of MLflow's own autologging."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import dspy
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.dspy import autolog as mlflows_autolog

import otel_dspy.mlflow
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.blank_store import blank_store
from tests.support.browser import NEEDS_CHROMIUM, chromium

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Run

PATIENCE = 120_000
"""Milliseconds to wait for a page of MLflow, which takes long to start on a loaded machine."""


def listed(client: MlflowClient, experiment: str) -> list[str]:
    """The names on the page, a run before those below it.

    MLflow 3.17.2 lists runs without a model among their outputs. One with a parent is listed below it, or nowhere if the
    parent is not listed (`EvaluationRunsPage`, in the bundle of its UI).
    """
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    every: list[Run] = list(client.search_runs([found.experiment_id], order_by=["attributes.start_time"]))
    shown = [run for run in every if not (run.outputs and run.outputs.model_outputs)]

    def below(parent: str | None) -> list[str]:
        names: list[str] = []
        for run in shown:
            if run.data.tags.get("mlflow.parentRunId") == parent:
                names += [run.info.run_name or "", *below(run.info.run_id)]
        return names

    return below(None)


def work() -> None:
    """An evaluation, then an optimization with two trials."""
    program, devset = dspy.Predict("question -> answer"), examples(2)
    with dspy.context(lm=addition_lm()):
        dspy.Evaluate(devset=devset, metric=exact, num_threads=1)(program)
        search: Any = dspy.BootstrapFewShotWithRandomSearch(metric=exact, num_threads=1)
        search.compile(program, trainset=devset, valset=devset, restrict=[-3, -2])


def test_evaluations_are_listed_as_mlflows_own_are(tmp_path: Path) -> None:
    """Stand-alone evaluations; not an optimization, whose run has a model as output, nor what is below it: its trials."""
    uri = blank_store(tmp_path)
    client = MlflowClient(uri)
    for name in ("ours", "MLflow's"):
        client.create_experiment(name, artifact_location=(tmp_path / name).as_uri())
    otel_dspy.mlflow.autolog(tracking_uri=uri, experiment="ours")
    try:
        work()
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("MLflow's")
    mlflows_autolog(log_compiles=True, log_evals=True, log_traces=False)
    try:
        work()
    finally:
        mlflows_autolog(disable=True)
    assert listed(client, "ours") == ["evaluate Predict"]
    ours = client.get_experiment_by_name("ours")
    assert ours is not None
    trials = [run.info.run_name for run in client.search_runs([ours.experiment_id], "tags.`dspy.trial.index` LIKE '%'")]
    assert sorted(map(str, trials)) == ["trial 0: start, seed -3", "trial 1: seed -2"]
    assert listed(client, "MLflow's") == ["eval"]


def search_instructions() -> None:
    """An optimization by MIPROv2, in which the model proposes what it always answers, between two evaluations."""
    program, devset = dspy.Predict("question -> answer"), examples(4)
    with dspy.context(lm=addition_lm()):
        evaluate = dspy.Evaluate(devset=devset, metric=exact, num_threads=1)
        evaluate(program)
        optimizer: Any = dspy.MIPROv2(
            exact, auto=None, num_candidates=2, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=1
        )
        optimizer.compile(program, trainset=devset, valset=devset, num_trials=2, minibatch=False)
        evaluate(program)


@pytest.mark.slow  # a browser starts
@NEEDS_CHROMIUM
def test_the_page_in_a_browser(server_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lists the evaluations of either, and neither MLflow's own trials of MIPROv2 nor those of otel-dspy."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server_uri)
    client, unique = MlflowClient(server_uri), uuid.uuid4().hex[:12]
    ours, theirs = f"ours {unique}", f"MLflow's {unique}"
    otel_dspy.mlflow.autolog(tracking_uri=server_uri, experiment=ours)
    try:
        search_instructions()
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    mlflow.set_tracking_uri(server_uri)
    mlflow.set_experiment(theirs)
    mlflows_autolog(log_compiles=True, log_evals=True, log_traces=False)
    try:
        search_instructions()
    finally:
        mlflows_autolog(disable=True)
    expected = {ours: "evaluate Predict", theirs: "eval"}
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1700, "height": 900})
        for experiment, name in expected.items():
            found = client.get_experiment_by_name(experiment)
            assert found is not None
            every = {run.info.run_name for run in client.search_runs([found.experiment_id])}
            assert len(every) > 1
            page.goto(
                f"{server_uri}/#/experiments/{found.experiment_id}/evaluation-runs",
                wait_until="domcontentloaded", timeout=PATIENCE,
            )  # fmt: skip
            page.get_by_text(name, exact=True).first.wait_for(timeout=PATIENCE)
            page.wait_for_timeout(2_000)  # rows below others are filled in later
            shown = page.get_by_text(re.compile("|".join(re.escape(str(one)) for one in every))).all_inner_texts()
            assert {text for text in shown if text in every} == {name}  # `eval` is a metric's column as well
