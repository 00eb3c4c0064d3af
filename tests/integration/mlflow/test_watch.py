"""`otel-dspy watch`: an optimization is followed by its record while it runs."""

from __future__ import annotations

import json
import threading
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient

from otel_dspy import cli
from otel_dspy.reporting.commands import watch_command
from otel_dspy.reporting.runs import read_compile
from tests.integration.mlflow.conftest import DELIVERY, CallContext
from tests.integration.mlflow.contract_spans import program_state
from tests.support.waiting import PATIENCE, awaited

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otel_dspy.reporting.compile_result import Compile

COMPILE_ID = "e" * 32
STATE = program_state("Answer.")
FIRST: dict[str, Any] = {"dspy.trial.best_score": 50.0}
SECOND: dict[str, Any] = {"dspy.trial.best_score": 75.0}


@pytest.fixture
def local(database: str, tmp_path: Path) -> CallContext:
    """An experiment of its own in the local store."""
    name = f"watched-{uuid.uuid4().hex[:12]}"
    MlflowClient(database).create_experiment(name, artifact_location=tmp_path.as_uri())
    return CallContext(database, name, [])


def _delivered(local: CallContext) -> None:
    (processor,) = local.processors
    assert processor.force_flush(DELIVERY)


class Watching:
    """The command on a thread of its own, and what it has printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
        self.lines: list[str] = []
        self.status: int | None = None
        self._printed = threading.Condition()
        monkeypatch.setattr(cli, "print", self._print, raising=False)
        self._thread = threading.Thread(target=self._run, args=(arguments,))
        self._thread.start()

    def _run(self, arguments: tuple[str, ...]) -> None:
        self.status = cli.main(["watch", *arguments, "--interval", "100ms"])

    def _print(self, line: str) -> None:
        with self._printed:
            self.lines += line.splitlines()
            self._printed.notify_all()

    def awaited(self, start: str) -> str:
        """Wait for a line that starts like this and return it."""
        with self._printed:
            assert self._printed.wait_for(lambda: self._found(start), PATIENCE), self.lines
            return next(line for line in self.lines if line.startswith(start))

    def _found(self, start: str) -> bool:
        return any(line.startswith(start) for line in self.lines)

    def ended(self) -> int | None:
        """Wait for the end of the command and return its exit status."""
        self._thread.join(PATIENCE)
        return self.status


@pytest.mark.parametrize("as_json", [False, True])
def test_trials_are_printed_as_they_end(
    local: CallContext,
    monkeypatch: pytest.MonkeyPatch,
    as_json: bool,  # noqa: FBT001 - a table's column
) -> None:
    """A line for each, while the next one has not begun; then the report."""
    emitter = local.emitter(COMPILE_ID)
    with emitter.compile(state=STATE, rows=[{"question": "1?", "answer": "1"}]) as span:
        with emitter.trial(0, score=50.0, state=STATE, **FIRST):
            pass
        _delivered(local)
        watching = Watching(
            monkeypatch, "--tracking-uri", local.uri, "--experiment", local.experiment, *(["--json"] if as_json else [])
        )
        first = watching.awaited('{"trial": 0' if as_json else "trial 0: ")
        with emitter.trial(1, score=75.0, state=STATE, **SECOND):
            pass
        second = watching.awaited('{"trial": 1' if as_json else "trial 1: ")
        assert watching.status is None
        span.set_attributes(
            {"dspy.compile.best_trial.index": 1, "dspy.compile.best_score": 75.0, "dspy.compile.initial_score": 50.0,
             "dspy.compile.trial.count": 2, "dspy.trial.score.unit": "percent"}
        )  # fmt: skip
    _delivered(local)
    assert watching.ended() == 0
    if as_json:
        assert [(json.loads(line)["score"], json.loads(line)["unit"]) for line in (first, second)] == [
            (50.0, "percent"), (75.0, "percent"),
        ]  # fmt: skip
        last = json.loads(watching.lines[-1])
        assert (last["status"], last["report"]["best_trial"]) == ("FINISHED", 1)
    else:
        assert ("50.0 %" in first, "75.0 %" in second) == (True, True)
        assert watching.lines[0].startswith("Watching run ")
        assert "MIPROv2 on ChainOfThought: from 50.0 % to 75.0 %, trial 1 won" in "\n".join(watching.lines)


def described(local: CallContext) -> str:
    """The description of the optimization's run; empty without one."""
    client = MlflowClient(local.uri)
    experiment = client.get_experiment_by_name(local.experiment)
    assert experiment is not None
    [run] = client.search_runs([experiment.experiment_id], "tags.`dspy.optimizer.name` = 'MIPROv2'")
    return str(run.data.tags.get("mlflow.note.content", ""))


def test_phases_before_the_first_trial_and_a_trial_that_failed_throughout(
    local: CallContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for each phase as it begins, and the description has it, although what a phase produced is not captured.

    A trial that failed throughout is not the best.
    """
    monkeypatch.setenv("OTEL_DSPY_REPORT", "true")
    emitter = local.emitter(COMPILE_ID)
    best: dict[str, Any] = {"dspy.trial.is_best": True}
    failed: dict[str, Any] = {
        "dspy.failures.examples": 2, "dspy.failures.all": True, "dspy.failures.first.type": "ValueError",
        "dspy.failures.first.message": "no labels",
    }  # fmt: skip
    ended = {"dspy.compile.id": COMPILE_ID, "dspy.optimizer.name": "MIPROv2", "dspy.phase.name": "bootstrap"}
    with emitter.compile(state=STATE, rows=[{"question": "1?", "answer": "1"}]):
        _delivered(local)
        watching = Watching(monkeypatch, "--tracking-uri", local.uri, "--experiment", local.experiment)
        assert watching.awaited("phase") == "phase bootstrap"
        start = "**MIPROv2 on ChainOfThought, so far: phase"
        awaited(lambda: described(local).startswith(f"{start} bootstrap, 0 trials, no full score yet**"), "the phase")
        with emitter.span("phase bootstrap", "phase", **ended):
            pass
        _delivered(local)
        assert watching.awaited("phase propose") == "phase propose"
        awaited(lambda: described(local).startswith(f"{start} propose, 0 trials"), "the next phase")
        with emitter.trial(0, score=0.0, state=STATE, **best, **failed):
            pass
        with emitter.trial(1, score=50.0, state=STATE, **best, **FIRST):
            pass
        _delivered(local)
        first, second = watching.awaited("trial 0: "), watching.awaited("trial 1: ")
    _delivered(local)
    watching.ended()
    assert (first[-22:], second[-14:]) == (", every example failed", " (best so far)")
    assert [line for line in watching.lines if line.startswith("phase ")] == [
        "phase bootstrap", "phase propose", "phase search",
    ]  # fmt: skip


def test_an_optimization_that_was_killed(local: CallContext, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is 1; of one that goes on, Ctrl-C leaves it running with the status 130."""
    emitter = local.emitter(COMPILE_ID)
    with emitter.compile(state=STATE, rows=[{"question": "1?", "answer": "1"}]):
        with emitter.trial(0, score=50.0, state=STATE):
            pass
        _delivered(local)
        arguments = ["watch", "--tracking-uri", local.uri, "--experiment", local.experiment]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(watch_command, "time", SimpleNamespace(sleep=_interrupt))
            assert cli.main(arguments) == 130
        assert capsys.readouterr().err == "The optimization goes on.\n"
        client = MlflowClient(local.uri)
        experiment = client.get_experiment_by_name(local.experiment)
        assert experiment is not None
        run = next(
            run for run in client.search_runs([experiment.experiment_id]) if "dspy.optimizer.name" in run.data.tags
        )
        client.set_terminated(run.info.run_id, "KILLED")
        assert cli.main(["watch", run.info.run_id, "--tracking-uri", local.uri]) == 1
    assert "trial 0: " in capsys.readouterr().out


def _interrupt(_seconds: float) -> None:
    raise KeyboardInterrupt


def test_mlflow_is_away_for_a_while(
    local: CallContext, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, however often it does not answer; the optimization is read once it does."""
    emitter = local.emitter(COMPILE_ID)
    with (
        emitter.compile(state=STATE, rows=[{"question": "1?", "answer": "1"}]),
        emitter.trial(0, score=50.0, state=STATE),
    ):
        pass
    _delivered(local)
    refusals = [ConnectionRefusedError(), ConnectionRefusedError()]
    found: Callable[[str, str], Compile | None] = read_compile.read_unfinished

    def sometimes(uri: str, run_id: str) -> Compile | None:
        if refusals:
            raise refusals.pop()
        return found(uri, run_id)

    monkeypatch.setattr(read_compile, "read_unfinished", sometimes)
    arguments = ["watch", "--tracking-uri", local.uri, "--experiment", local.experiment, "--interval", "100ms"]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.err == "MLflow cannot be read (connection refused, nothing listens there); trying again\n"
    assert "trial 0: " in printed.out


def test_mlflow_is_away_at_the_end(
    local: CallContext, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trials have been printed; the report is missing, with the reason and status 1."""
    emitter = local.emitter(COMPILE_ID)
    with (
        emitter.compile(state=STATE, rows=[{"question": "1?", "answer": "1"}]),
        emitter.trial(0, score=50.0, state=STATE),
    ):
        pass
    _delivered(local)

    def refused(_uri: str, _run: str) -> Compile:
        raise ConnectionRefusedError("connection refused")

    monkeypatch.setattr(read_compile, "read_compile", refused)
    assert cli.main(["watch", "--tracking-uri", local.uri, "--experiment", local.experiment]) == 1
    printed = capsys.readouterr()
    assert printed.err == (
        f"MLflow at {local.uri} could not be read: connection refused, nothing listens there. "
        "Start MLflow there, or name another store with --tracking-uri.\n"
    )
    assert "trial 0: " in printed.out


def test_what_cannot_be_watched(local: CallContext, capsys: pytest.CaptureFixture[str]) -> None:
    """No such run; an interval that is none."""
    assert cli.main(["watch", "nothing", "--tracking-uri", local.uri]) == 1
    assert capsys.readouterr().err.startswith("There is no run 'nothing' in sqlite:///")
    assert cli.main(["watch", "--interval", "soon", "--tracking-uri", local.uri]) == 1
    assert capsys.readouterr().err.startswith("'soon' is not a number of seconds")
