"""Runs that ended processes have left RUNNING, as doctor counts them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from otel_dspy.diagnosis.checks.stale_runs import left_running
from otel_dspy.mlflow.tracking.state.process_identity import HOST_TAG, PROCESSES_TAG, host
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("number", "left", "ended"),
    [
        (
            1,
            "1 run is RUNNING although its process on this host has ended. The next program that writes to its",
            "1 run left RUNNING by ended processes of this host was marked as KILLED",
        ),
        (
            2,
            "2 runs are RUNNING although their processes on this host have ended. The next program that writes to their",
            "2 runs left RUNNING by ended processes of this host were marked as KILLED",
        ),
    ],
)
def test_left_runs_are_counted(number: int, left: str, ended: str, tmp_path: Path) -> None:
    """In the singular, too."""
    uri = blank_store(tmp_path)
    client = MlflowClient(uri)
    experiment = client.create_experiment("E")
    for _ in range(number):
        client.create_run(experiment, tags={HOST_TAG: host(), PROCESSES_TAG: f"{os.getpid()}@1"})
    variables = {"MLFLOW_TRACKING_URI": uri, "OTEL_DSPY_REPORT": "false"}
    (found,) = left_running(variables, end=False)
    assert found.text.startswith(left)
    (found,) = left_running(variables, end=True)
    assert found.text == ended
