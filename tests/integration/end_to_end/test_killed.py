"""Processes that end during a compile: they end its run themselves, or the next process on the host does."""

from __future__ import annotations

import os
import signal
import time
import uuid
from typing import TYPE_CHECKING

import dspy
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

from otel_dspy.cli import main
from otel_dspy.environment.variable_names import REPORT
from otel_dspy.mlflow.mapping.naming import DESCRIPTION
from otel_dspy.mlflow.mapping.trace_operations import LogTrace
from otel_dspy.mlflow.tracking.requests.http_policy import no_retries
from otel_dspy.mlflow.tracking.runs.stale_runs import REASON_TAG, end_stale_runs, end_traces_of_ended_runs
from otel_dspy.mlflow.tracking.state.process_identity import HOST_TAG, PROCESSES_TAG, host, own_tags, process
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.traces.trace_store import TraceStore
from otel_dspy.semconv import DSPY_OPTIMIZER_NAME, DSPY_PROGRAM_NAME
from tests.integration.end_to_end.conftest import tracked
from tests.support.addition_task import addition_lm
from tests.support.blank_store import blank_store
from tests.support.mlflow_tree import read_tree
from tests.support.programs import ROOT, Program, piped_program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mlflow_tree import RunNode

SCRIPT = """
import os, signal, sys
import dspy
from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import autolog
from tests.support.optimizers import Rounds
from tests.support.addition_task import exact, examples, addition_lm

calls = 0

def killing(example, prediction, trace=None):
    global calls
    calls += 1
    if calls == 6:
        assert DSPyInstrumentor().tracer_provider.force_flush(180_000)
        os.kill(os.getpid(), signal.SIGKILL)
    return exact(example, prediction, trace)

autolog(tracking_uri=sys.argv[1], experiment="killed")
with dspy.context(lm=addition_lm()):
    Rounds(killing).compile(dspy.Predict("question -> answer"), trainset=examples(4))
"""


def _killed(tracking_uri: str) -> int:
    """Have a compile killed in its second trial; the process' id."""
    with Program(tracking_uri, text=SCRIPT, environment=os.environ | {"PYTHONPATH": str(ROOT)}) as child:
        assert child.wait(300) == -signal.SIGKILL
    return child.pid


def _states(run: RunNode) -> list[str]:
    """How the run's traces ended."""
    return [trace.state for trace in run.traces]


def test_the_next_start_ends_what_was_left(tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RUNNING until another process writes to the experiment; then KILLED, with the reason, its trace an ERROR.

    So is the trial that it was in. The one that was through is as it was. The descriptions have how it ended.
    """
    monkeypatch.setenv(REPORT, "true")
    pid = _killed(tracking_uri)
    (left,) = read_tree(tracking_uri, "killed").runs
    assert (left.status, _states(left)) == ("RUNNING", ["IN_PROGRESS"])
    with tracked(tracking_uri, "killed"), dspy.context(lm=addition_lm()):
        dspy.Predict("question -> answer")(question="1+1")
    (run,) = read_tree(tracking_uri, "killed").runs
    assert run.status == "KILLED"
    assert run.tags[REASON_TAG].startswith(f"process {pid} on ")
    assert _states(run) == ["ERROR"]
    assert [trace.tags[REASON_TAG] for trace in run.traces] == [run.tags[REASON_TAG]]
    assert {state for child in run.children for state in _states(child)} == {"OK"}
    assert {child.name: (child.status, REASON_TAG in child.tags) for child in run.children} == {
        "trial 0": ("FINISHED", False),
        "trial 1": ("KILLED", True),
    }
    first, *_, hint, cause, _, _ = run.tags[DESCRIPTION].splitlines()
    assert first == "**Rounds on Predict, ended with its process after 1 trial: best 50.0 %, trial 0 (candidate)**"
    assert hint == f'- Its best program so far: otel\\_dspy.best\\_program("{run.id}", program)'
    assert cause == f"- {run.tags[REASON_TAG].capitalize()}."
    assert {child.name: child.tags.get(DESCRIPTION) for child in run.children} == {
        "trial 0": "candidate: 50.0 % of 4",
        "trial 1": "not completed: ended with its process",
    }


def test_open_traces_of_runs_that_have_ended(tracking_uri: str) -> None:
    """A process that exits between the end of a run and that of its trace: the next one ends the trace as ERROR.

    Those of runs of another host, of a living process and of no process at all stay.
    """
    client, store = MlflowClient(tracking_uri), Store(tracking_uri)
    experiment = client.create_experiment(f"open traces {time.time_ns()}")
    gone = {HOST_TAG: host(), PROCESSES_TAG: f"{os.getpid()}@1"}
    tags = {"left": gone, "other host": gone | {HOST_TAG: "another 1 2"}, "living": own_tags(), "the user's": {}}
    runs = {name: client.create_run(experiment, tags=of_run).info.run_id for name, of_run in tags.items()}
    for run in runs.values():
        store.traces.start_trace(experiment, LogTrace(key="info", trace_id=uuid.uuid4().hex, run=None, start_ms=1), run)
        client.set_terminated(run, "FINISHED")
    with no_retries(0):  # MLflow's client would repeat the request for spans, of which there are none
        assert end_traces_of_ended_runs(store, [experiment]) == 1
    assert {
        name: (
            trace.info.state.value,
            "exited before it recorded the end of the trace" in trace.info.tags.get(REASON_TAG, ""),
        )
        for name, run in runs.items()
        for trace in client.search_traces(locations=[experiment], run_id=run, include_spans=False)
    } == {**dict.fromkeys(runs, ("IN_PROGRESS", False)), "left": ("ERROR", True)}
    assert end_traces_of_ended_runs(store, [experiment]) == 0


def test_runs_of_other_writers_are_unchanged(tracking_uri: str) -> None:
    """Another host's, a living process', the user's own, one that has ended, one of another experiment: all stay."""
    client = MlflowClient(tracking_uri)
    here, elsewhere = (client.create_experiment(f"{name} {time.time_ns()}") for name in ("here", "elsewhere"))
    gone = {HOST_TAG: host(), PROCESSES_TAG: f"{os.getpid()}@1"}
    made = {
        "left": client.create_run(here, tags=gone),
        "earlier boot": client.create_run(here, tags=gone | {PROCESSES_TAG: f"{process(os.getpid())}0"}),
        "other host": client.create_run(here, tags=gone | {HOST_TAG: "another 1 2"}),
        "living": client.create_run(here, tags=own_tags()),
        "the user's": client.create_run(here),
        "of no process": client.create_run(here, tags={HOST_TAG: host()}),
        "ended": client.create_run(here, tags=gone),
        "other experiment": client.create_run(elsewhere, tags=gone),
    }
    runs = {name: run.info.run_id for name, run in made.items()}
    client.set_terminated(runs["ended"], "FAILED")
    assert end_stale_runs(Store(tracking_uri), [here], time.time_ns() // 1_000_000) == [
        runs["earlier boot"],
        runs["left"],
    ]
    assert {name: client.get_run(run).info.status for name, run in runs.items()} == {
        **dict.fromkeys(runs, "RUNNING"),
        "left": "KILLED",
        "earlier boot": "KILLED",
        "ended": "FAILED",
    }
    assert end_stale_runs(Store(tracking_uri), [here], time.time_ns() // 1_000_000) == []


def test_a_store_that_takes_no_second_trace_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of files: the trace stays as it is, the run ends all the same."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client, store = MlflowClient(tmp_path.as_uri()), Store(tmp_path.as_uri())
    experiment = client.create_experiment("files")
    gone = {HOST_TAG: host(), PROCESSES_TAG: f"{os.getpid()}@1"}
    run = client.create_run(experiment, tags=gone).info.run_id
    info = LogTrace(key="info", trace_id="7" * 32, run=None, start_ms=1)
    store.traces.start_trace(experiment, info, run)
    assert end_stale_runs(store, [experiment], time.time_ns() // 1_000_000) == [run]
    assert client.get_run(run).info.status == "KILLED"


def test_a_database_that_does_not_take_the_end_of_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Perhaps the database fails, perhaps it does not take this trace: the run ends all the same."""
    uri = blank_store(tmp_path)
    client, store = MlflowClient(uri), Store(uri)
    experiment = client.create_experiment("one")
    run = client.create_run(experiment, tags={HOST_TAG: host(), PROCESSES_TAG: f"{os.getpid()}@1"}).info.run_id

    def failing(*_given: object) -> None:
        raise MlflowException("(sqlite3.DataError) no (https://sqlalche.me/e/20/9h9h)", BAD_REQUEST)

    monkeypatch.setattr(TraceStore, "end_open_traces", failing)
    assert end_stale_runs(store, [experiment], time.time_ns() // 1_000_000) == [run]
    assert client.get_run(run).info.status == "KILLED"


def test_the_doctor_reports_them_and_ends_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes nothing unless it is asked to; then they are KILLED, in whichever experiment."""
    uri = blank_store(tmp_path)  # on a server that others use it would end theirs too
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv(REPORT, "true")
    client = MlflowClient(uri)
    gone = {HOST_TAG: host(), PROCESSES_TAG: f"{os.getpid()}@1"}
    optimization = {DSPY_OPTIMIZER_NAME: "MIPROv2", DSPY_PROGRAM_NAME: "Predict"}
    runs = [
        client.create_run(client.create_experiment(f"left {number} {time.time_ns()}"), tags=gone | more).info.run_id
        for number, more in enumerate(({}, optimization))
    ]
    assert main(["doctor"]) == 0
    assert "!! runs" in capsys.readouterr().out
    assert [client.get_run(run).info.status for run in runs] == ["RUNNING"] * 2
    assert main(["doctor", "--end-runs"]) == 0
    assert "2 runs left RUNNING by ended processes of this host were marked as KILLED" in capsys.readouterr().out
    assert [client.get_run(run).info.status for run in runs] == ["KILLED"] * 2
    described = [client.get_run(run).data.tags.get(DESCRIPTION, "").partition("\n")[0] for run in runs]
    assert described == ["", "**MIPROv2 on Predict, ended with its process before the end of its first trial**"]
    assert main(["doctor"]) == 0
    assert "no ended process of this host has left a run RUNNING" in capsys.readouterr().out


ENDING = """
import sys, threading, time
import dspy
from otel_dspy.mlflow import autolog
from tests.support.optimizers import Rounds
from tests.support.addition_task import exact, examples, addition_lm

calls = 0
reached = threading.Event()

def stalling(example, prediction, trace=None):
    global calls
    calls += 1
    if calls == 6:
        reached.set()
        print("reached", flush=True)
        for _ in range(6000):
            time.sleep(0.1)  # In steps: Python handles a signal that comes right before a sleep only after it.
    return exact(example, prediction, trace)

def optimize():
    with dspy.context(lm=addition_lm()):
        Rounds(stalling).compile(dspy.Predict("question -> answer"), trainset=examples(4))

autolog(tracking_uri=sys.argv[1], experiment="ended")
if sys.argv[2] == "SIGTERM":
    optimize()
threading.Thread(target=optimize, daemon=True).start()
reached.wait()
"""


@pytest.mark.parametrize(
    ("end", "reason", "how"),
    [("SIGTERM", "was terminated (SIGTERM)", "terminated"), ("exit", "exited", "ended with its process")],
)
def test_a_process_that_ends_ends_its_runs(
    end: str, reason: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM, or an exit while a daemon thread compiles: the runs that were open are KILLED, nothing is in the spool.

    The process ends as it does without us: by the signal, or with status 0.
    """
    spool, uri = tmp_path / "spool", blank_store(tmp_path)
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(spool))
    monkeypatch.setenv(REPORT, "true")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with piped_program(uri, end, text=ENDING, environment=environment, folder=tmp_path) as (child, output):
        while "reached" not in (line := output.readline()):
            assert line, "it ended early"
        if end == "SIGTERM":
            child.send_signal(signal.SIGTERM)
        assert child.wait(120) == (-signal.SIGTERM if end == "SIGTERM" else 0)
    (run,) = read_tree(uri, "ended").runs
    assert _states(run) == ["ERROR"]
    assert (run.status, run.tags[REASON_TAG]) == (
        "KILLED",
        f"process {child.pid} {reason} before it recorded the end of the run",
    )
    assert {one.name: (one.status, REASON_TAG in one.tags) for one in run.children} == {
        "trial 0": ("FINISHED", False),
        "trial 1": ("KILLED", True),
    }
    assert run.tags[DESCRIPTION].startswith(
        f"**Rounds on Predict, {how} after 1 trial: best 50.0 %, trial 0 (candidate)**"
    )
    assert {one.name: one.tags.get(DESCRIPTION) for one in run.children} == {
        "trial 0": "candidate: 50.0 % of 4",
        "trial 1": f"not completed: {how}",
    }
    assert list(spool.glob("*")) == []


CALL = """
import sys, threading, time
import dspy
from otel_dspy.mlflow import autolog
from tests.support.addition_task import addition_lm

reached = threading.Event()

class Stalling(dspy.Module):
    def __init__(self):
        super().__init__()
        self.answer = dspy.Predict("question -> answer")

    def forward(self, question):
        self.answer(question=question)
        reached.set()
        print("reached", flush=True)
        for _ in range(6000):
            time.sleep(0.1)  # In steps: Python handles a signal that comes right before a sleep only after it.

def call():
    with dspy.context(lm=addition_lm()):
        Stalling()(question="1+1")

autolog(tracking_uri=sys.argv[1], experiment="ended")
if sys.argv[2] == "SIGTERM":
    call()
threading.Thread(target=call, daemon=True).start()
reached.wait()
"""


@pytest.mark.parametrize(("end", "how"), [("SIGTERM", "was terminated (SIGTERM)"), ("exit", "exited")])
def test_a_process_that_ends_in_a_call_ends_its_trace(
    end: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ERROR with the reason, and with the spans that had ended; nothing is in the spool."""
    spool, uri = tmp_path / "spool", blank_store(tmp_path)
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(spool))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with piped_program(uri, end, text=CALL, environment=environment, folder=tmp_path) as (child, output):
        while "reached" not in (line := output.readline()):
            assert line, "it ended early"
        if end == "SIGTERM":
            child.send_signal(signal.SIGTERM)
        assert child.wait(120) == (-signal.SIGTERM if end == "SIGTERM" else 0)
    (trace,) = read_tree(uri, "ended").traces
    assert (trace.state, trace.tags[REASON_TAG]) == (
        "ERROR",
        f"process {child.pid} {how} before it recorded the end of the trace",
    )
    assert [span.name for span in trace.spans] == ["module Predict"]
    assert list(spool.glob("*")) == []
