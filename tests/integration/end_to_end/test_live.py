"""MLflow shows an optimization while it runs."""

from __future__ import annotations

import threading
from typing import Any, cast

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.integration.end_to_end.conftest import SERVER_IS_SLOW, tracked
from tests.support.gated_optimization import GatedOptimization
from tests.support.waiting import PATIENCE, awaited


@SERVER_IS_SLOW
def test_runs_appear_as_the_optimization_goes(tracking_uri: str) -> None:
    """The parent stands RUNNING with parameters, program and dataset before the first trial; a trial when it ends."""
    client = MlflowClient(tracking_uri)
    optimization = GatedOptimization(3 * PATIENCE)

    def runs() -> dict[str, Any]:
        experiment = client.get_experiment_by_name("live")
        if experiment is None:
            return {}
        try:
            return {str(run.info.run_name): run for run in client.search_runs([experiment.experiment_id])}
        except MlflowException:
            return {}

    with tracked(tracking_uri, "live"):
        running = threading.Thread(target=optimization)
        running.start()
        with optimization.released():
            # Held in the first trial: nothing but the beginning can be there.
            parent = awaited(lambda: runs().get("Rounds Predict"), "the parent run")
            assert parent.info.status == "RUNNING"
            run_id = parent.info.run_id
            awaited(lambda: client.get_run(run_id).data.params.get("rounds") == "2", "its parameters")
            paths = {"initial_model.json", "trainset.json"}
            awaited(lambda: paths <= {found.path for found in client.list_artifacts(run_id)}, "program and dataset")
            awaited(lambda: cast("Any", client.get_run(run_id).inputs).dataset_inputs, "the dataset as an input")
            assert len(runs()) == 1

            optimization.let(0)
            # Held in the second trial: the first is in MLflow.
            first = awaited(lambda: next((r for n, r in runs().items() if n.startswith("trial 0")), None), "trial 0")
            awaited(lambda: client.get_run(first.info.run_id).info.status == "FINISHED", "the end of trial 0")
            history = awaited(lambda: client.get_metric_history(run_id, "score/full"), "its score on the parent")
            assert [(point.step, point.value) for point in history] == [(0, 50.0)]
            assert client.get_run(run_id).info.status == "RUNNING"
            optimization.let(1)
            running.join()
    assert client.get_run(run_id).info.status == "FINISHED"
    assert sorted(name.split(" (")[0] for name in runs()) == ["Rounds Predict", "trial 0", "trial 1"]
