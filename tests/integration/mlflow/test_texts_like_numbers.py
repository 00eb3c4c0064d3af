"""Answers that look like numbers in a run's table, and as `mlflow.load_table` returns them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import dspy
import mlflow
from mlflow import MlflowClient, artifacts

from otel_dspy.reporting.runs.result_tables import table_rows
from tests.integration.end_to_end.conftest import tracked
from tests.support.addition_task import exact
from tests.support.blank_store import blank_store
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from pathlib import Path


def test_the_artifact_has_the_texts(tmp_path: Path) -> None:
    """And the report reads them; `load_table` returns numbers, in which a zero is missing."""
    store, experiment = blank_store(tmp_path), f"texts-{uuid.uuid4().hex}"
    codes = {"Boston": "02108", "Hoboken": "07030"}
    devset = [dspy.Example(question=city, answer=code).with_inputs("question") for city, code in codes.items()]
    lm = in_process_lm(dspy_script({"answer": lambda inputs: codes[inputs["question"]]}))
    with tracked(store, experiment), dspy.context(lm=lm):
        dspy.Evaluate(devset=devset, metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    client: Any = MlflowClient(store)
    place = client.get_experiment_by_name(experiment).experiment_id
    mlflow.set_tracking_uri(store)  # `load_table` of a client searches the runs of the global one
    (run,) = client.search_runs([place])
    rows = table_rows(artifacts.load_dict(f"{run.info.artifact_uri}/result_table.json"))
    assert [row["pred_answer"] for row in rows] == list(codes.values())
    loaded: Any = client.load_table(place, "result_table.json", run_ids=[run.info.run_id])
    assert list(loaded["pred_answer"]) == [2108, 7030]
