"""What MLflow's page *Evaluation runs* lists of otel-dspy's runs and of those of MLflow's own autologging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import mlflow
from mlflow import MlflowClient
from mlflow.dspy import autolog as mlflows_autolog

import otel_dspy.mlflow
from tests.support.blank_store import blank_store
from tests.support.sums import exact, examples, sums_lm

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Run


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
    with dspy.context(lm=sums_lm()):
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
    assert sorted(map(str, trials)) == ["trial 0: seed -3", "trial 1: seed -2"]
    assert listed(client, "MLflow's") == ["eval"]
