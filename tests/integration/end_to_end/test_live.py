"""MLflow shows an optimisation while it runs."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, cast

import dspy
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.integration.end_to_end.conftest import tracked
from tests.optimizers import Rounds
from tests.sums import exact, examples, sums_lm

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 20.0
"""Seconds to wait for what is said to take seconds, on a loaded machine."""


def _await(found: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"not in MLflow after {PATIENCE} s: {what}")


def test_runs_appear_as_the_optimisation_goes(tracking_uri: str) -> None:
    """The parent stands RUNNING with parameters, program and dataset before the first trial; a trial when it ends."""
    client = MlflowClient(tracking_uri)
    gates = [threading.Event() for _ in range(2)]
    started = iter(gates)

    def gated(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> bool:
        if example["question"] == "0+1":
            next(started).wait(4 * PATIENCE)
        return exact(example, prediction, trace)

    def run() -> None:
        with dspy.context(lm=sums_lm()):
            Rounds(gated).compile(dspy.Predict("question -> answer"), trainset=examples(2))

    def runs() -> dict[str, Any]:
        experiment = client.get_experiment_by_name("live")
        if experiment is None:
            return {}
        try:
            return {str(run.info.run_name): run for run in client.search_runs([experiment.experiment_id])}
        except MlflowException:
            return {}

    with tracked(tracking_uri, "live"):
        optimisation = threading.Thread(target=run)
        optimisation.start()
        try:
            # Held in the first trial: nothing but the beginning can be there.
            parent = _await(lambda: runs().get("Rounds Predict"), "the parent run")
            assert parent.info.status == "RUNNING"
            run_id = parent.info.run_id
            _await(lambda: client.get_run(run_id).data.params.get("rounds") == "2", "its parameters")
            paths = {"initial_model.json", "trainset.json"}
            _await(lambda: paths <= {found.path for found in client.list_artifacts(run_id)}, "program and dataset")
            _await(lambda: cast("Any", client.get_run(run_id).inputs).dataset_inputs, "the dataset as an input")
            assert len(runs()) == 1

            gates[0].set()
            # Held in the second trial: the first is told.
            first = _await(lambda: next((r for n, r in runs().items() if n.startswith("trial 0")), None), "trial 0")
            _await(lambda: client.get_run(first.info.run_id).info.status == "FINISHED", "the end of trial 0")
            history = _await(lambda: client.get_metric_history(run_id, "eval_full"), "its score on the parent")
            assert [(point.step, point.value) for point in history] == [(0, 50.0)]
            assert client.get_run(run_id).info.status == "RUNNING"
        finally:
            for gate in gates:
                gate.set()
            optimisation.join()
    assert client.get_run(run_id).info.status == "FINISHED"
    assert sorted(name.split(" (")[0] for name in runs()) == ["Rounds Predict", "trial 0", "trial 1"]
