"""Processes that end during an MLflow outage: recorded data is in the spool, and a replay writes it to MLflow."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from mlflow import MlflowClient

from otel_dspy.cli import main
from otel_dspy.mlflow.delivery import spool_segments, worker
from otel_dspy.mlflow.tracking.state.process_identity import own_tags
from otel_dspy.mlflow.tracking.state.run_lookup import RUN_TAG
from otel_dspy.runtime.deferred_queue import drain_deferred
from tests.chaos import twins
from tests.chaos.twins import DELIVERY, EXPERIMENT, exporting_to, optimize, record
from tests.support.addition_task import half_right
from tests.support.mlflow_server import free_port
from tests.support.programs import ROOT, exit_code, piped_program
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from otel_dspy.mlflow import MlflowSpanProcessor

LAST_SECOND = 1.0
"""Seconds that a process which is killed may lose, as long as it gets its share of a processor."""


def replayed(spool: Path, target: str, *flags: str) -> int:
    """Replay the spool's files into a store."""
    return main(["replay", "--tracking-uri", target, *flags, str(spool)])


def await_spooled(processor: MlflowSpanProcessor) -> None:
    """Wait until the spool has what has ended, as it has a second later where there is a processor for its thread."""
    assert worker.SPOOL_EVERY + worker.SPOOL_AFTER < LAST_SECOND
    drain_deferred()
    delivery = processor._worker
    awaited(lambda: delivery.waiting and not delivery.queues.unwritten, "the spool")


def die_a_second_later(death: str, store: str) -> None:
    """Optimize, and end without another word once the last second has been kept."""
    with exporting_to(store, f"http://127.0.0.1:{free_port()}") as (reference, away):
        optimize(trials=1)
        assert reference.force_flush(DELIVERY)
        await_spooled(away)
        os.kill(os.getpid(), signal.SIGKILL) if death == "SIGKILL" else os._exit(3)


def die_in_the_middle() -> None:
    """Some trials into an optimization that takes longer, once their spans have been kept."""
    answers = itertools.count(1)

    with exporting_to(f"http://127.0.0.1:{free_port()}") as (processor,):

        def answered(inputs: Mapping[str, str]) -> str:
            if next(answers) == 37:  # after the default program and some trials, in an example of another one
                await_spooled(processor)
                os.kill(os.getpid(), signal.SIGKILL)
            return half_right(inputs)

        with mock.patch.object(twins, "half_right", answered):
            optimize(trials=200, pause=0.05)


@pytest.fixture(scope="module")
def left_by_a_killed_process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spool of `die_in_the_middle`."""
    folder = tmp_path_factory.mktemp("killed") / "spool"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_DSPY_SPOOL_DIR", str(folder))
        assert exit_code(die_in_the_middle) == -signal.SIGKILL
    return folder


@pytest.mark.parametrize("death", ["SIGKILL", pytest.param("os._exit", marks=pytest.mark.slow)])
def test_killed_a_second_after_its_last_span(
    death: str, store: str, second_store: str, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing runs at such an end, and nothing is lost: replayed, once and again, MLflow holds what it would have."""
    assert exit_code(die_a_second_later, death, store) == (-signal.SIGKILL if death == "SIGKILL" else 3)
    expected = record(store)
    for flags in (["--keep"], []):
        assert replayed(spool, second_store, *flags) == 0
        assert record(second_store) == expected
        texts = capsys.readouterr().out
        assert "its process was killed, at most its last second is missing" in texts
    assert not [path for path in spool.glob("*.jsonl") if "-control-" not in path.name]


def test_killed_in_the_middle(
    left_by_a_killed_process: Path, store: str, second_store: str, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a compile that never ended the run is closed as KILLED, with the trials that it had; twice changes nothing."""
    del store
    shutil.copytree(left_by_a_killed_process, spool)
    assert replayed(spool, second_store, "--keep") == 0
    assert "marked KILLED" in capsys.readouterr().out
    first = record(second_store)
    (parent,) = first["runs"]
    trials = [child for child in parent["children"] if child["name"].startswith("trial ")]
    assert parent["status"] == "KILLED"
    assert len(trials) >= 3
    assert [trace["state"] for trace in parent["traces"]] == ["ERROR"]
    done = [trial for trial in trials if trial["status"] == "FINISHED"]
    assert {child["status"] for child in parent["children"]} <= {"FINISHED", "KILLED"}
    # The trial in which it was killed may have a run by then: no child is left as if it went on.
    assert len(trials) - len(done) <= 1
    in_order = sorted(trials, key=lambda trial: int(trial["name"].split()[1].rstrip(":")))
    assert in_order[: len(done)] == sorted(done, key=in_order.index)
    assert [len(trial["traces"]) for trial in done] == [4] * len(done)
    assert replayed(spool, second_store) == 0
    assert record(second_store) == first


def test_a_run_of_a_living_process_is_left_alone(
    left_by_a_killed_process: Path, store: str, second_store: str, spool: Path
) -> None:
    """MLflow has the compile's run already, and a process that is there began it: it will end it."""
    del store
    shutil.copytree(left_by_a_killed_process, spool)
    (control,) = spool.glob("*-control-0001.jsonl")
    found = re.search(rb'"dspy.compile.id","value":{"stringValue":"([^"]+)"', control.read_bytes())
    assert found is not None
    client = MlflowClient(second_store)
    experiment = client.create_experiment(EXPERIMENT)
    run = client.create_run(experiment, tags={RUN_TAG: f"compile/{found[1].decode()}"} | own_tags()).info.run_id
    assert replayed(spool, second_store) == 0
    assert client.get_run(run).info.status == "RUNNING"


def test_an_end_is_not_taken_back_by_a_file_that_lacks_it(store: str, second_store: str, spool: Path) -> None:
    """MLflow has a compile's end, the file has only its beginning: replayed, its run and its trace are as they were."""
    del store
    with exporting_to(f"http://127.0.0.1:{free_port()}") as (processor,):
        optimize(trials=1)
        processor.shutdown(wait=False)
    assert replayed(spool, second_store, "--keep") == 0
    whole = record(second_store)
    control, _ = sorted(spool.glob("*.jsonl"))
    lines = control.read_bytes().splitlines(keepends=True)
    begun = [line for line in lines if b'"name":"compile ' not in line]
    assert len(begun) < len(lines)
    control.write_bytes(b"".join(begun))
    assert replayed(spool, second_store) == 0
    assert record(second_store) == whole


def test_the_files_of_an_optimization_stay_together(
    store: str, second_store: str, spool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line of the last control file is damaged: the others stay with it, and all of it is right once it is mended."""
    monkeypatch.setattr(spool_segments, "SEGMENT_BYTES", 10_000)
    with exporting_to(f"http://127.0.0.1:{free_port()}") as (processor,):
        optimize(trials=2)
        processor.shutdown(wait=False)
    assert replayed(spool, store, "--keep") == 0
    whole = record(store)
    control = sorted(spool.glob("*-control-*.jsonl"))
    assert len(control) > 1
    content = control[-1].read_bytes()
    control[-1].write_bytes(b"{not json\n" + content)
    capsys.readouterr()
    assert replayed(spool, second_store) == 1
    assert sorted(spool.iterdir()) == control
    texts = capsys.readouterr().out
    assert f"{control[0]} is kept too" in texts
    assert "the file was not closed" not in texts
    control[-1].write_bytes(content)
    assert replayed(spool, second_store) == 0
    assert record(second_store) == whole
    assert list(spool.iterdir()) == []


def test_a_file_cut_anywhere_is_replayed_up_to_there(
    store: str, second_store: str, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a last line is passed over, a damaged one in the middle is named with its number and the rest still goes."""
    del store
    with exporting_to(f"http://127.0.0.1:{free_port()}") as (processor,):
        optimize(trials=1)
        processor.shutdown(wait=False)
    control, traces = sorted(spool.glob("*.jsonl"))
    content = traces.read_bytes()
    middle = content.index(b"\n", len(content) // 2) + 1
    traces.write_bytes(content[: middle + 200])
    whole = content[:middle].count(b"\n")
    lines = control.read_bytes().splitlines(keepends=True)
    control.write_bytes(b"".join([*lines[:2], b"{not json\n", *lines[2:]]))
    assert replayed(spool, second_store) == 1
    texts = capsys.readouterr().out
    assert f"{control}, line 3: skipped, invalid JSON" in texts
    assert f"{traces}: {whole:,} spans written; the file was not closed" in texts
    assert (control.exists(), traces.exists()) == (True, False)
    (parent,) = record(second_store)["runs"]
    assert (parent["status"], "best_model.json" in parent["artifacts"]) == ("FINISHED", True)


SCRIPT = """
import sys, time
import dspy
from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import autolog
from tests.chaos.twins import EXPERIMENT, optimize
from tests.support.addition_task import addition_lm

autolog(tracking_uri=sys.argv[1], experiment=EXPERIMENT)
with dspy.context(lm=addition_lm()):
    dspy.Predict("question -> answer")(question="1+1")  # MLflow takes long to load; that is not what is tested
DSPyInstrumentor().tracer_provider.force_flush(120_000)
optimize(trials=2)
print("optimized", flush=True)
for _ in range(6000):
    time.sleep(0.1)  # In steps: Python handles a signal that comes right before a sleep only after it.
"""


# CPython forgets that it was Ctrl-C if anything (SQLAlchemy, here) calls `exec` on a text while it ends: status 1, not -2.
@pytest.mark.parametrize(
    ("number", "statuses"),
    [
        (signal.SIGTERM, {-signal.SIGTERM}),
        pytest.param(signal.SIGINT, {-signal.SIGINT, 1}, marks=pytest.mark.slow),
    ],
)
def test_ended_by_a_signal(
    number: signal.Signals, statuses: set[int], second_store: str, store: str, spool: Path
) -> None:
    """SIGTERM and Ctrl-C end it as they always do, after what was queued has been delivered to an MLflow that is there."""
    del second_store
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with piped_program(store, text=SCRIPT, environment=environment) as (child, output):
        while "optimized" not in (line := output.readline()):
            assert line, "it ended early"
        child.send_signal(number)
        assert child.wait(120) in statuses
    (parent,) = record(store)["runs"]
    assert (parent["status"], len(parent["children"]) > 2) == ("FINISHED", True)
    assert {len(child["traces"]) for child in parent["children"] if child["name"].startswith("trial ")} == {4}
    assert list(spool.glob("*")) == []
