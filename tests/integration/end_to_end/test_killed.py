"""SIGKILL: nobody says how it ended, and the next process on the host does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dspy
from mlflow import MlflowClient

from otel_dspy.mlflow.tracking.processes import HOST_TAG, PROCESSES_TAG, host, own_tags
from otel_dspy.mlflow.tracking.stale_runs import REASON_TAG, end_stale_runs
from otel_dspy.mlflow.tracking.store import Store
from tests.integration.end_to_end.conftest import tracked
from tests.mlflow_tree import read_tree
from tests.sums import sums_lm

SCRIPT = """
import os, signal, sys
import dspy
from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import autolog
from tests.optimizers import Rounds
from tests.sums import exact, examples, sums_lm

calls = 0

def killing(example, prediction, trace=None):
    global calls
    calls += 1
    if calls == 6:
        DSPyInstrumentor().tracer_provider.force_flush(60_000)
        os.kill(os.getpid(), signal.SIGKILL)
    return exact(example, prediction, trace)

autolog(tracking_uri=sys.argv[1], experiment="killed")
with dspy.context(lm=sums_lm()):
    Rounds(killing).compile(dspy.Predict("question -> answer"), trainset=examples(4))
"""


def _killed(tracking_uri: str) -> int:
    """Have a compile killed in its second trial; the process' id."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])}
    with subprocess.Popen([sys.executable, "-c", SCRIPT, tracking_uri], env=environment) as child:
        assert child.wait(120) == -signal.SIGKILL
    return child.pid


def test_the_next_start_ends_what_was_left(tracking_uri: str) -> None:
    """RUNNING until another process tells the experiment something; then KILLED, with the reason.

    So is the trial that it was in. The one that was through is as it was.
    """
    pid = _killed(tracking_uri)
    (left,) = read_tree(tracking_uri, "killed").runs
    assert left.status == "RUNNING"
    with tracked(tracking_uri, "killed"), dspy.context(lm=sums_lm()):
        dspy.Predict("question -> answer")(question="1+1")
    (run,) = read_tree(tracking_uri, "killed").runs
    assert run.status == "KILLED"
    assert run.tags[REASON_TAG].startswith(f"process {pid} on ")
    assert {child.name: (child.status, REASON_TAG in child.tags) for child in run.children} == {
        "trial 0": ("FINISHED", False),
        "trial 1": ("KILLED", True),
    }


def test_nobody_else_s_runs_are_touched(tracking_uri: str) -> None:
    """Another host's, a living process', the user's own, one that has ended, one of another experiment: all stay."""
    client = MlflowClient(tracking_uri)
    here, elsewhere = (client.create_experiment(f"{name} {time.time_ns()}") for name in ("here", "elsewhere"))
    gone = {HOST_TAG: host(), PROCESSES_TAG: f"{os.getpid()}@1"}
    made = {
        "left": client.create_run(here, tags=gone),
        "other host": client.create_run(here, tags=gone | {HOST_TAG: "another 1 2"}),
        "living": client.create_run(here, tags=own_tags()),
        "the user's": client.create_run(here),
        "of no process": client.create_run(here, tags={HOST_TAG: host()}),
        "ended": client.create_run(here, tags=gone),
        "other experiment": client.create_run(elsewhere, tags=gone),
    }
    runs = {name: run.info.run_id for name, run in made.items()}
    client.set_terminated(runs["ended"], "FAILED")
    assert end_stale_runs(Store(tracking_uri), here, time.time_ns() // 1_000_000) == [runs["left"]]
    assert {name: client.get_run(run).info.status for name, run in runs.items()} == {
        **dict.fromkeys(runs, "RUNNING"),
        "left": "KILLED",
        "ended": "FAILED",
    }
    assert end_stale_runs(Store(tracking_uri), here, time.time_ns() // 1_000_000) == []
