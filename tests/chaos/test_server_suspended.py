"""An MLflow server that answers at first and hangs later, while a process ends."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

from mlflow import MlflowClient

from otel_dspy.cli import main
from tests.support.mlflow_server import mlflow_server
from tests.support.programs import run_program
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

LATER = 3.0
"""Seconds after which a request counts as unanswered."""
GIVEN_UP = 3600.0
"""Seconds after which it is given up, long after the test: by default a minute."""
PROGRAM = f"""
import os, signal, sys

import dspy
from otel_dspy import mlflow as otel_mlflow
from otel_dspy.mlflow.tracking.requests import answer_monitor, http_policy
from tests.support.addition_task import addition_lm

answer_monitor.LATER = {LATER}
http_policy.READ_TIMEOUT = {GIVEN_UP}
otel_mlflow.autolog(tracking_uri=sys.argv[1], experiment="hanging")
dspy.configure(lm=addition_lm())
program = dspy.Predict("question -> answer")
program(question="1+1")
assert otel_mlflow.flush({PATIENCE})
os.killpg(int(sys.argv[2]), signal.SIGSTOP)
program(question="2+2")
"""


def test_the_process_names_it_and_leaves_the_rest_in_the_spool(tmp_path: Path) -> None:
    """A line names it long before its request is given up, and the exit waits five seconds more; a replay loses nothing."""
    spool = tmp_path / "spool"
    with mlflow_server(tmp_path) as server:
        try:
            done = run_program(
                server.uri, str(server.group), text=PROGRAM,
                environment=os.environ | {"OTEL_DSPY_SPOOL_DIR": str(spool)},
            )  # fmt: skip
        finally:
            os.killpg(server.group, signal.SIGCONT)
        assert done.returncode == 0, done.stderr
        assert f"MLflow at {server.uri} has not answered for 3 s; still waiting for it. No data is lost" in done.stderr
        assert "2 spans were not delivered to MLflow. They are in the spool" in done.stderr
        client = MlflowClient(server.uri)
        experiment = client.get_experiment_by_name("hanging")
        assert experiment is not None
        assert main(["replay", "--tracking-uri", server.uri, str(spool)]) == 0
        traces = client.search_traces([experiment.experiment_id])
    assert sorted(json.loads(str(trace.data.request))["question"] for trace in traces) == ["1+1", "2+2"]
