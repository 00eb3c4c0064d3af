"""What docs/migrating.md describes of MLflow's own autologging and of otel-dspy's: the same program, recorded by either."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from mlflow import MlflowClient

from tests.support.blank_store import blank_store
from tests.support.programs import ROOT, run_program

PROGRAM = """
import sys
import dspy, mlflow, otel_dspy.mlflow
from tests.support.addition_task import exact, examples, addition_lm

mlflow.set_tracking_uri(sys.argv[2])
mlflow.set_experiment("migrating")
recorder = {"theirs": mlflow.dspy, "ours": otel_dspy.mlflow}[sys.argv[1]]
recorder.autolog(log_compiles=True, log_evals=True, log_traces_from_compile=True, log_traces_from_eval=True)
with dspy.context(lm=addition_lm()):
    optimizer = dspy.BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=1, num_threads=1)
    optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(4))
"""


def recorded(recorder: str, folder: Path) -> dict[str, Any]:
    """What MLflow holds of the compile, in a few words."""
    uri = blank_store(folder)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false"}
    run_program(recorder, uri, text=PROGRAM, folder=folder, environment=environment).check_returncode()
    client: Any = MlflowClient(uri)
    experiment = client.get_experiment_by_name("migrating").experiment_id
    runs = client.search_runs([experiment], order_by=["attributes.start_time"])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    traces = client.search_traces([experiment], max_results=500, include_spans=False)
    table = client.download_artifacts(parent.info.run_id, "trainset.json", str(folder))
    return {
        "params": sorted(parent.data.params),
        "inputs": len(parent.inputs.dataset_inputs),
        "rows": len(json.loads(Path(table).read_text())["data"]),
        "artifacts": artifacts(client, parent),
        "metrics": sorted(parent.data.metrics),
        # By name: runs that start within one millisecond stand in any order.
        "children": sorted((run.info.run_name, artifacts(client, run)) for run in runs if run is not parent),
        "traces": len(traces),
        "scored": sum(bool(trace.info.assessments) for trace in traces),
        "tokens": sum("mlflow.trace.tokenUsage" in trace.info.trace_metadata for trace in traces),
    }


def artifacts(client: Any, run: Any) -> list[str]:
    """Files and folders at the top."""
    return sorted(item.path for item in client.list_artifacts(run.info.run_id))


@pytest.mark.slow
def test_theirs(tmp_path: Path) -> None:
    """If one of these lines changes, the page is no longer true."""
    assert recorded("theirs", tmp_path) == snapshot(
        {
            "params": ["lm_params", "sample"],
            "inputs": 0,
            "rows": 24,
            "artifacts": ["best_model.json", "trainset.json"],
            "metrics": ["eval"],
            "children": [
                ("eval_0", ["model.json", "result_table.json"]),
                ("eval_1", ["model.json", "result_table.json"]),
                ("eval_2", ["model.json", "result_table.json"]),
                ("eval_3", ["model.json", "result_table.json"]),
            ],
            "traces": 24,
            "scored": 16,
            "tokens": 24,
        }
    )


@pytest.mark.slow
def test_own_attributes(tmp_path: Path) -> None:
    """The other column."""
    assert recorded("ours", tmp_path) == snapshot(
        {
            "params": [
                "forecast.lm_calls.high",
                "forecast.lm_calls.low",
                "forecast.role.task.lm_calls.high",
                "forecast.role.task.lm_calls.low",
                "labeled_sample",
                "lm.cache",
                "lm.model",
                "lm.model_type",
                "lm.num_retries",
                "max_bootstrapped_demos",
                "max_errors",
                "max_labeled_demos",
                "max_rounds",
                "metric",
                "num_candidate_programs",
                "num_threads",
            ],
            "inputs": 2,
            "rows": 4,
            "artifacts": [
                "best_model.json",
                "initial_model.json",
                "optimization_summary.json",
                "trainset.json",
                "valset.json",
            ],
            "metrics": [
                "score/best",
                "score/full",
                "score/initial",
                "usage/input_tokens",
                "usage/input_tokens/task",
                "usage/lm_calls",
                "usage/lm_calls/task",
                "usage/model/openai/scripted/input_tokens",
                "usage/model/openai/scripted/lm_calls",
                "usage/model/openai/scripted/output_tokens",
                "usage/model/openai/scripted/unpriced_calls",
                "usage/output_tokens",
                "usage/output_tokens/task",
                "usage/unpriced_calls",
                "usage/unpriced_calls/task",
            ],
            "children": [
                (
                    "BootstrapFewShot Predict",
                    [
                        "best_model.json",
                        "bootstrap_table.json",
                        "candidates",
                        "initial_model.json",
                        "optimization_summary.json",
                    ],
                ),
                (
                    "BootstrapFewShot Predict",
                    [
                        "best_model.json",
                        "bootstrap_table.json",
                        "candidates",
                        "initial_model.json",
                        "optimization_summary.json",
                    ],
                ),
                (
                    "LabeledFewShot Predict",
                    ["best_model.json", "candidates", "initial_model.json", "optimization_summary.json"],
                ),
                (
                    "LabeledFewShot Predict",
                    ["best_model.json", "candidates", "initial_model.json", "optimization_summary.json"],
                ),
                (
                    "LabeledFewShot Predict",
                    ["best_model.json", "candidates", "initial_model.json", "optimization_summary.json"],
                ),
                ("trial 0: start, seed -3", ["candidate.json", "changes.md", "model.json", "result_table.json"]),
                ("trial 1: seed -2", ["candidate.json", "changes.md", "model.json", "result_table.json"]),
                ("trial 2: seed -1", ["candidate.json", "changes.md", "model.json", "result_table.json"]),
                ("trial 3: seed 0", ["candidate.json", "changes.md", "model.json", "result_table.json"]),
            ],
            "traces": 25,
            "scored": 24,
            "tokens": 24,
        }
    )
