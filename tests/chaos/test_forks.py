"""Forked processes: each delivers its own spans once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from mlflow import MlflowClient

import otel_dspy.mlflow
from otel_dspy.environment.variable_names import REPORT
from otel_dspy.mlflow.mapping.naming import DESCRIPTION
from otel_dspy.mlflow.tracking.runs import report_writer, run_reports
from otel_dspy.runtime.deferred_queue import drain_deferred
from tests.chaos.twins import EXPERIMENT, exporting_to, record
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizers import Rounds
from tests.support.programs import exit_code

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from otel_dspy.mlflow import MlflowSpanProcessor


def evaluate(count: int) -> None:
    """A stand-alone evaluation of so many examples."""
    with dspy.context(lm=addition_lm()):
        dspy.Evaluate(devset=examples(count), metric=exact, num_threads=2)(dspy.Predict("question -> answer"))


def sizes(store: str) -> list[int]:
    """Number of traces of each run in the store, its evaluation's own trace counted as well."""
    return sorted(len(run["traces"]) for run in record(store)["runs"])


def autologged_child(store: str, count: int) -> None:
    """What a process of multiprocessing does."""
    otel_dspy.mlflow.autolog(tracking_uri=store, experiment=EXPERIMENT)
    evaluate(count)


def fork_while_delivering(store: str) -> None:
    """Evaluate before, in the child and after, and deliver it all."""
    with exporting_to(store) as (processor,):
        evaluate(2)
        assert processor.force_flush(120_000)
        evaluate(3)
        child = os.fork()
        if child == 0:
            evaluate(5)
            os._exit(0 if processor.force_flush(120_000) and processor.lost == 0 else 1)
        evaluate(4)
        assert processor.force_flush(120_000)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert processor.lost == 0


def test_os_fork_while_the_parent_delivers(store: str, spool: Path) -> None:
    """A pre-forking server's worker: the child flushes its own spans, the parent's are neither lost nor doubled."""
    assert exit_code(fork_while_delivering, store) == 0
    assert sizes(store) == [3, 4, 5, 6]
    assert list(spool.glob("*")) == []


class Forking(dspy.Module):
    """Evaluates one more program in a child, in the middle of its own evaluation."""

    def __init__(self, processor: MlflowSpanProcessor) -> None:
        super().__init__()
        self._processor = processor
        self.statuses: list[int] = []

    def forward(self, question: str) -> dspy.Prediction:
        """The same answer to everything."""
        if question == "0+1":
            child = os.fork()
            if child == 0:
                dspy.Predict("question -> answer")(question="7+1")
                os._exit(0 if self._processor.force_flush(120_000) else 1)
            self.statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return dspy.Prediction(answer="1")


def fork_while_evaluating(recorded: Path, store: str) -> None:
    """Fork within an evaluation, and deliver it all; write the process id to the file."""
    recorded.write_text(str(os.getpid()))
    with exporting_to(store) as (processor,):
        evaluate(2)
        assert processor.force_flush(120_000)
        program = Forking(processor)
        with dspy.context(lm=addition_lm()):
            dspy.Evaluate(devset=examples(3), metric=exact, num_threads=1)(program)
        assert processor.force_flush(120_000)
        assert program.statuses == [0]


@pytest.mark.slow
def test_a_compile_that_spans_a_fork_has_one_run(store: str, spool: Path, tmp_path: Path) -> None:
    """What a child records in its parent's evaluation goes to the parent's run: none is made beside it."""
    recorded = tmp_path / "process"
    assert exit_code(fork_while_evaluating, recorded, store) == 0
    _, run = record(store)["runs"]
    assert (run["status"], len(run["traces"])) == ("FINISHED", 4)
    parent = recorded.read_text()
    assert [path for path in spool.glob("*") if f"-{parent}-" in path.name] == []


def fork_in_a_compile(store: str) -> None:
    """Have a child evaluate in the middle of a compile, and deliver it before the parent delivers anything."""
    with exporting_to(store) as (processor,):
        worker: Any = processor._worker
        statuses: list[int] = []

        def forking(example: Any, prediction: Any, trace: object = None) -> bool:
            if not statuses:
                child = os.fork()
                if child == 0:
                    del worker._start
                    evaluate(2)
                    os._exit(0 if processor.force_flush(120_000) and processor.lost == 0 else 1)
                statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
                del worker._start
            return exact(example, prediction, trace)

        worker._start = lambda: None
        with dspy.context(lm=addition_lm()):
            Rounds(forking).compile(dspy.Predict("question -> answer"), trainset=examples(2))
        assert processor.force_flush(120_000)
        assert statuses == [0]


def test_a_compile_whose_child_delivers_first_has_one_run(store: str) -> None:
    """The parent finds what its child has made of their compile, and its trial, and makes none beside them."""
    assert exit_code(fork_in_a_compile, store) == 0
    (run,) = record(store)["runs"]
    assert run["status"] == "FINISHED"
    assert [(child["name"], child["status"]) for child in run["children"]] == [
        ("trial 0", "FINISHED"),
        ("trial 1", "FINISHED"),
    ]


def beget(method: str, store: str) -> None:
    """Have a child of multiprocessing evaluate."""
    # A constant for each, as the type of what comes back hangs on it.
    contexts = {"fork": multiprocessing.get_context("fork"), "spawn": multiprocessing.get_context("spawn")}
    child = contexts[method].Process(target=autologged_child, args=(store, 4))
    child.start()
    child.join(180)
    assert child.exitcode == 0


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_multiprocessing(method: str, store: str, spool: Path) -> None:
    """A child that simply returns has delivered before it ends."""
    assert exit_code(beget, method, store) == 0
    assert sizes(store) == [5]
    assert list(spool.glob("*")) == []


def optimize_in_a_child(store: str) -> None:
    """Compile in a forked process whose report takes a second."""

    def optimize() -> None:
        os.environ[REPORT] = "true"
        save = report_writer.save_trials_view

        def slowly(connection: Any) -> None:
            time.sleep(1)
            save(connection)

        report_writer.save_trials_view = slowly
        run_reports.MAX_WAIT = 120.0  # the machine may be busy
        autolog_there(store)
        with dspy.context(lm=addition_lm()):
            Rounds(exact).compile(dspy.Predict("question -> answer"), trainset=examples(2))

    child = multiprocessing.get_context("fork").Process(target=optimize)
    child.start()
    child.join(180)
    assert child.exitcode == 0


def test_a_forked_process_waits_for_its_report(store: str) -> None:
    """Python runs no exit handlers there. The run would have no page."""
    assert exit_code(optimize_in_a_child, store) == 0
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.`dspy.optimizer.name` = 'Rounds'")
    assert "report.html" in [artifact.path for artifact in client.list_artifacts(run.info.run_id)]
    assert "so far" not in run.data.tags[DESCRIPTION]


def autolog_there(store: str) -> None:
    """An initializer."""
    otel_dspy.mlflow.autolog(tracking_uri=store, experiment=EXPERIMENT)


def evaluate_in_an_executor(method: str, store: str) -> None:
    """Have a worker evaluate twice, while this process is instrumented too."""
    autolog_there(store)
    if method == "loky":
        loky: Any = import_module("joblib.externals.loky")
        executor: Executor = loky.get_reusable_executor(1, initializer=autolog_there, initargs=(store,))
    else:
        context = multiprocessing.get_context("spawn" if method == "spawn" else "forkserver")
        executor = ProcessPoolExecutor(1, context, initializer=autolog_there, initargs=(store,))
    with executor:
        assert list(executor.map(evaluate, (2, 3))) == [None, None]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver", "loky"])
def test_an_executor_whose_initializer_calls_autolog(method: str, store: str, spool: Path) -> None:
    """These start a new interpreter, which inherits no instrumentation; the worker delivers before it ends."""
    if method == "loky":
        pytest.importorskip("joblib")
    assert exit_code(evaluate_in_an_executor, method, store) == 0
    assert sizes(store) == [3, 4]
    assert list(spool.glob("*")) == []


def fork_and_kill(recorded: Path) -> None:
    """Write both process ids to the file; their files must be in the spool."""
    with exporting_to("http://127.0.0.1:9") as (processor,):
        evaluate(2)
        child = os.fork()
        if child == 0:
            evaluate(2)
            drain_deferred()
            processor._worker.queues.persist(0)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        recorded.write_text(f"{os.getpid()} {child}")
        processor.shutdown(wait=False)


def test_a_child_that_is_killed_leaves_its_own_file(store: str, spool: Path, tmp_path: Path) -> None:
    """The parent's files are not touched by it, and its own carries its process id."""
    del store
    recorded = tmp_path / "processes"
    assert exit_code(fork_and_kill, recorded) == 0
    assert {path.name.split("-")[1] for path in spool.glob("*.jsonl")} == set(recorded.read_text().split())
