"""Worker queues: bounded memory, spilling to the spool, and the drop policy."""

from __future__ import annotations

import errno
import itertools
import os
import stat
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from otel_dspy.mlflow.delivery import queued_lines, spooled_queues
from otel_dspy.mlflow.delivery.drain_timeout import DrainTimeout
from otel_dspy.mlflow.delivery.span_pipeline import SpanPipeline
from otel_dspy.mlflow.delivery.worker import Worker
from otel_dspy.mlflow.records.route import RootKind
from tests.support.waiting import awaited
from tests.unit.mlflow.delivery.queued_spans import ROOT, route, span

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.util.types import AttributeValue
    from typing_extensions import Buffer

    from otel_dspy.mlflow.delivery.span_queue import SpanQueue
    from otel_dspy.mlflow.records.span import SpanRecord


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spool of the test's own."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(folder))
    return folder


class Stalled(Worker):
    """A worker whose threads never start: the test does what they would do."""

    def _start(self) -> None:
        pass

    def emit(self, kind: RootKind, trace: int, number: int, **attributes: AttributeValue) -> None:
        """A span ends."""
        self.put(span(trace, number, **attributes), route(kind, trace))

    def spool_all(self) -> None:
        """What the spool's thread does."""
        self.queues.persist(0)

    def examples(self) -> list[str]:
        """Names of the example spans in the order in which they are delivered, taking them."""
        return names(self.queues.traces)

    def control(self) -> list[str]:
        """The same, of control spans."""
        return names(self.queues.control)

    def delivered(self) -> None:
        """MLflow has all that was taken."""
        self._loop.confirm()


def names(queue: SpanQueue) -> list[str]:
    """Names of a queue's spans, taken."""
    found: list[str] = []
    while (record := queue.take()) is not None:
        found.append(record.decoded().name)
    return found


def test_what_does_not_fit_in_memory_is_on_disk_and_comes_back_in_order() -> None:
    """A queue of three spans takes forty, spooled at random times, and returns all of them in order, each once."""
    worker = Stalled(max_spans=3)
    expected: list[str] = []
    taken: list[str] = []
    for number in range(2, 42):
        worker.emit(RootKind.EXAMPLE, 7, number)
        expected.append(f"7/{number}")
        if number % 5 == 0:
            worker.spool_all()
        if number % 7 == 0:
            record = worker.queues.traces.take()
            assert record is not None
            taken.append(record.decoded().name)
        assert worker.queues.traces.in_memory <= 3 + 5
    assert taken + worker.examples() == expected
    worker.delivered()
    assert (worker.waiting, worker.lost) == (0, 0)


def test_the_bound_counts_characters_too() -> None:
    """A few spans with large texts fill the queue as many small ones do."""
    worker = Stalled(max_characters=1000)
    for number in range(2, 6):
        worker.emit(RootKind.EXAMPLE, 7, number, a="y" * 900)
    worker.spool_all()
    assert (worker.queues.traces.in_memory, worker.waiting) == (1, 4)
    assert worker.examples() == ["7/2", "7/3", "7/4", "7/5"]


def test_a_disk_that_is_slower_than_the_program_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far more comes than memory may hold, faster than it is written: the end of a span waits, and none is dropped."""
    monkeypatch.setattr(spooled_queues, "BACK_PRESSURE", 60.0)
    worker = Stalled(max_spans=2)
    done = threading.Event()

    def slow_disk() -> None:
        while not done.is_set():
            worker.queues.spool_now.wait(0.05)
            worker.queues.spool_now.clear()
            time.sleep(0.01)
            worker.spool_all()

    thread = threading.Thread(target=slow_disk)
    thread.start()
    try:
        for trace in range(7, 47):
            worker.emit(RootKind.EXAMPLE, trace, ROOT)
            assert worker.queues.traces.in_memory <= 2 * 2
    finally:
        done.set()
        thread.join()
    assert worker.examples() == [f"{trace}/1" for trace in range(7, 47)]
    assert worker.lost == 0


@dataclass
class Clock:
    """Stands for the module `time`."""

    now: float

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let them pass."""
        self.now += seconds


def test_a_disk_that_does_not_come_back_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program continues after one wait: new spans are dropped until there is room, and then accepted again."""
    clock = Clock(time.monotonic() + 3600)  # later than the end of each span
    monkeypatch.setattr(spooled_queues, "time", clock)
    began = clock.now
    worker = Stalled(max_spans=2)
    for trace in range(7, 47):
        worker.emit(RootKind.EXAMPLE, trace, ROOT)
    assert clock.now - began == pytest.approx(spooled_queues.BACK_PRESSURE, abs=0.02)
    assert worker.lost == 36
    worker.spool_all()
    worker.emit(RootKind.EXAMPLE, 47, ROOT)
    assert worker.examples() == ["7/1", "8/1", "9/1", "10/1", "47/1"]


def test_whole_example_traces_go_when_the_spool_is_full_and_control_spans_never(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A trace in progress stays complete, a new one is dropped as a whole, and the number is logged."""
    monkeypatch.setenv("OTEL_DSPY_SPOOL_MAX_BYTES", "100")
    worker = Stalled()
    worker.emit(RootKind.EXAMPLE, 7, 2)
    worker.spool_all()
    for trace in (7, 8, 9):
        worker.emit(RootKind.EXAMPLE, trace, 3)
        worker.emit(RootKind.COMPILE, 1, trace)
        worker.emit(RootKind.EXAMPLE, trace, ROOT)
    assert worker.lost == 4
    worker.close(DrainTimeout(0, 0))
    assert worker.control() == ["1/7", "1/8", "1/9"]
    assert worker.examples() == ["7/2", "7/3", "7/1"]
    assert "2 example traces (4 spans) were dropped" in caplog.text


@pytest.mark.parametrize("operation", ["compile", "setup", "trial", "evaluate", "dataset", "phase"])
def test_an_optimization_inside_somebody_elses_trace_is_control(
    operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trace is not dropped from a full spool until the trace's root has been delivered."""
    monkeypatch.setenv("OTEL_DSPY_SPOOL_MAX_BYTES", "0")
    worker = Stalled()
    worker.spool_all()
    worker.emit(RootKind.CALL, 7, 3, **{"dspy.operation.name": operation})
    worker.emit(RootKind.CALL, 7, 2)
    worker.emit(RootKind.CALL, 7, ROOT)
    assert worker.control() == ["7/3", "7/2", "7/1"]
    worker.delivered()
    worker.emit(RootKind.CALL, 8, 2)
    assert worker.lost == 1


def test_control_spans_stay_on_disk_until_their_trace_has_ended(spool: Path) -> None:
    """What a later span of a compile needs (a program, a trial's facts) survives a crash although it was delivered."""
    worker = Stalled()
    worker.emit(RootKind.COMPILE, 7, 2)
    worker.emit(RootKind.EXAMPLE, 8, ROOT)
    worker.spool_all()
    assert (worker.control(), worker.examples()) == (["7/2"], ["8/1"])
    worker.delivered()
    (left,) = spool.iterdir()
    assert "-control-" in left.name
    worker.emit(RootKind.COMPILE, 7, ROOT)
    assert worker.control() == ["7/1"]
    worker.delivered()
    assert list(spool.iterdir()) == []


def test_what_ends_on_disk_has_there_what_came_before_it(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between any two writes: the spool never has a trial's end without its examples."""
    worker, write = Stalled(), os.write
    to_come, parted = [4], list[int]()

    def written(descriptor: int, data: Buffer) -> int:
        if to_come:  # a trial ends while the examples of the one before are written
            worker.emit(RootKind.EXAMPLE, to_come[0], ROOT)
            worker.emit(RootKind.COMPILE, 7, to_come.pop())
        done = write(descriptor, data)
        found = "".join(file.read_text() for file in spool.iterdir())
        parted.extend(number for number in (3, 4) if f'"7/{number}"' in found and f'"{number}/1"' not in found)
        return done

    monkeypatch.setattr(os, "write", written)
    worker.emit(RootKind.EXAMPLE, 3, ROOT)
    worker.emit(RootKind.COMPILE, 7, 3)
    worker.spool_all()
    worker.spool_all()
    assert parted == []
    assert sorted(path.read_text().count("\n") for path in spool.iterdir()) == [2, 2]


def test_an_end_leaves_what_is_not_delivered_for_its_owner_only(spool: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One warning names the file and the replay command; folder 0700, file 0600, an end marker last."""
    worker = Stalled()
    worker.emit(RootKind.COMPILE, 7, 2)
    assert not worker.close(DrainTimeout(0, 0))
    (left,) = spool.iterdir()
    assert f"otel-dspy replay {left}" in caplog.text
    assert stat.S_IMODE(spool.stat().st_mode) == 0o700
    assert stat.S_IMODE(left.stat().st_mode) == 0o600
    assert "otel_dspy.spool.end" in left.read_text().splitlines()[-1]


def test_a_full_disk_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Spans stay in memory and are delivered from there, up to twice the bound; then whole traces are dropped."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(tmp_path / "file" / "below"))
    worker = Stalled(max_spans=3)
    worker.emit(RootKind.COMPILE, 99, 2)
    for trace in range(2, 12):
        worker.emit(RootKind.EXAMPLE, trace, ROOT)
        worker.spool_all()
    assert worker.examples() == [f"{trace}/1" for trace in range(2, 8)]
    assert worker.lost == 4
    assert caplog.text.count("The spool cannot be written") == 1


def _full_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let `after` writes succeed, and none after them until the patch is undone."""
    write, writes = os.write, itertools.count()

    def written(descriptor: int, data: Buffer) -> int:
        if next(writes) >= after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", written)


def test_a_disk_that_fills_up_in_the_middle_of_a_batch_and_has_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written by then is not written again: all come out, in order, each once."""
    monkeypatch.setattr(queued_lines, "WRITE_AT_ONCE", 2_000)
    worker = Stalled(max_spans=2)
    for number in range(2, 6):
        worker.emit(RootKind.EXAMPLE, 7, number)
    worker.spool_all()
    for number in range(6, 10):
        worker.emit(RootKind.EXAMPLE, 7, number, a="x" * 1_500)
    with monkeypatch.context() as patch:
        _full_disk(patch, after=2)
        worker.spool_all()
    assert worker.queues.traces.write_error
    worker.spool_all()
    assert worker.examples() == [f"7/{number}" for number in range(2, 10)]


def test_an_end_on_a_full_disk_logs_what_is_lost(
    spool: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The number of lost spans is logged, and the file has no end marker, which would mark it complete."""
    worker = Stalled()
    worker.emit(RootKind.COMPILE, 7, 2)
    worker.spool_all()
    worker.emit(RootKind.COMPILE, 7, 3)
    worker.emit(RootKind.EXAMPLE, 8, ROOT)
    _full_disk(monkeypatch, after=0)
    assert not worker.close(DrainTimeout(0, 0))
    assert worker.lost == 2
    left, _ = sorted(spool.iterdir())
    assert (
        f"1 spans were not delivered to MLflow. They are in the spool; deliver them with: otel-dspy replay {left} "
        "(to another MLflow: add --tracking-uri URI)" in caplog.text
    )
    assert "2 spans were not delivered to MLflow and could not be written to the spool: they are lost" in caplog.text
    assert "otel_dspy.spool.end" not in left.read_text()


def test_control_spans_are_kept_however_soon_they_were_delivered(spool: Path) -> None:
    """Delivered before the spool's thread came by, as after a flush: on disk all the same, until the trace has ended."""
    worker = Stalled()
    worker.emit(RootKind.COMPILE, 7, 2)
    assert worker.control() == ["7/2"]
    worker.delivered()
    worker.emit(RootKind.COMPILE, 7, 3)
    worker.spool_all()
    (left,) = spool.iterdir()
    assert ["7/2" in line or "7/3" in line for line in left.read_text().splitlines()] == [True, True]
    worker.emit(RootKind.COMPILE, 7, ROOT)
    worker.control()
    worker.delivered()
    assert list(spool.iterdir()) == []


def test_what_an_operation_needs_that_failed_is_kept_and_nothing_that_comes_later(
    spool: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """MLflow fails at one operation only: the spool does not grow, and the shutdown warning names its file."""
    worker = Stalled()
    worker.emit(RootKind.COMPILE, 7, 2)
    worker.emit(RootKind.EXAMPLE, 8, ROOT)
    assert (worker.control(), worker.examples()) == (["7/2"], ["8/1"])
    monkeypatch.setattr(SpanPipeline, "failed", 1)
    worker.delivered()
    kept = sorted(spool.iterdir())
    assert [path.name.rpartition("-")[0].rpartition("-")[2] for path in kept] == ["control", "traces"]
    assert all("otel_dspy.spool.end" in path.read_text().splitlines()[-1] for path in kept)
    for trace in range(9, 12):
        worker.emit(RootKind.COMPILE, 7, trace)
        worker.emit(RootKind.EXAMPLE, trace, ROOT)
        worker.spool_all()
        assert (worker.control(), worker.examples()) == ([f"7/{trace}"], [f"{trace}/1"])
        worker.delivered()
    worker.emit(RootKind.COMPILE, 7, ROOT)
    worker.control()
    worker.delivered()
    assert sorted(spool.iterdir()) == kept
    assert not worker.close(DrainTimeout(0, 0))
    assert sorted(spool.iterdir()) == kept
    assert worker.lost == 0
    assert (
        f"1 operations on MLflow or an artifact store failed. Their spans are in the spool; deliver them with: otel-dspy replay {kept[0]}"
        in (caplog.text)
    )


def test_a_process_that_continues_a_compile_looks_up_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed in the middle of a compile, as by `autolog(disable=True)`: the next worker makes no run a second time."""
    monkeypatch.setattr("otel_dspy.mlflow.delivery.worker.left_off", threading.Event())
    for last, looks in ((ROOT, False), (3, True)):
        worker = Stalled()
        worker.emit(RootKind.COMPILE, 7, 2)
        worker.emit(RootKind.COMPILE, 7, last)
        worker.control()
        worker.delivered()
        worker.close(DrainTimeout(0, 0))
        assert Stalled()._loop.pipeline._look_up_runs is looks


def test_a_forked_child_starts_with_an_empty_queue(spool: Path) -> None:
    """What the parent has queued is the parent's to deliver, once; its files too."""
    worker = Stalled()
    worker.emit(RootKind.COMPILE, 7, 2)
    worker.spool_all()
    child = os.fork()
    if child == 0:
        clean = worker.waiting == 0
        worker.emit(RootKind.COMPILE, 7, 3)
        worker.spool_all()
        os._exit(0 if clean and worker.control() == ["7/3"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert worker.control() == ["7/2"]
    assert sorted(f"-{os.getpid()}-" in path.name for path in spool.iterdir()) == [False, True]


def test_a_close_during_another_one_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As by SIGTERM while the program's provider is shut down at its exit: one wait, one warning."""
    worker, drains, in_vain = Stalled(), list[DrainTimeout](), threading.Event()
    worker.emit(RootKind.COMPILE, 7, 2)

    def drain(_worker: Worker, deadline: DrainTimeout, **_: bool) -> bool:
        drains.append(deadline)
        return not in_vain.wait(60)

    monkeypatch.setattr(Worker, "drain", drain)
    closing = [threading.Thread(target=worker.close, args=(DrainTimeout(0, 0),)) for _ in range(2)]
    for thread in closing:
        thread.start()
        thread.join(0.2)  # for the second to wait, not to end
    in_vain.set()
    for thread in closing:
        thread.join()
    assert len(drains) == 1
    assert caplog.text.count("1 spans were not delivered to MLflow") == 1


def test_a_span_that_fails_to_process(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The log names the server, without its password, what is lost and what to do; the next span is processed."""
    processed: list[str] = []

    def process(_pipeline: SpanPipeline, record: SpanRecord, _route: object) -> None:
        if record.name == "7/2":
            raise TypeError(record.name)
        processed.append(record.name)

    def sent(_pipeline: SpanPipeline) -> None:
        pass

    monkeypatch.setattr(SpanPipeline, "process", process)
    monkeypatch.setattr(SpanPipeline, "send_due", sent)
    worker = Worker()
    place = route(RootKind.COMPILE, 7)
    server = replace(place, destination=replace(place.destination, tracking_uri="http://me:secret@mlflow:5000"))
    for number in (2, 3):
        worker.put(span(7, number), server)
    awaited(lambda: processed, "the second span")
    worker.close(DrainTimeout(0, 0))
    assert (processed, worker.lost) == (["7/3"], 1)
    [record] = [record for record in caplog.records if record.name.endswith("delivery_loop")]
    assert record.getMessage() == (
        "A span could not be delivered to MLflow at http://me@mlflow:5000: it is lost, the others are delivered. This "
        "is an error of otel-dspy: report it with this traceback."
    )
    assert record.exc_info is not None
