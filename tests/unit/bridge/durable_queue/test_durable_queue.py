"""Requests on their way through the queue, with MLflow failing in each of its ways."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_dspy.bridge import pending_request, request_writer
from otel_dspy.bridge.durable_queue import finished_requests, interrupted_requests, retry_schedule
from otel_dspy.bridge.durable_queue.durable_queue import DurableQueue
from otel_dspy.bridge.durable_queue.queue_error import QueueError
from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.bridge.pending_request import PendingRequest
from otel_dspy.bridge.request_writer import RequestWriter
from otel_dspy.otlp_requests.protobuf_spans import spans_in_protobuf
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from otel_dspy.mlflow.records.route import Destination, Route
    from otel_dspy.mlflow.records.span import SpanRecord
    from otel_dspy.otlp_requests.protobuf_spans import BadSpanError, ReceivedSpan

URI = "http://m"
PATIENCE = 60.0


class Mlflow:
    """Stands for a pipeline to an MLflow that stores, fails, rejects or breaks by the name of the experiment."""

    failed, lost, failing_since = 0, 0, None

    def __init__(self) -> None:
        self.recorded: list[str] = []
        self.available = threading.Event()
        self.available.set()
        self.fails = {"fails"}
        self._failures: Counter[Destination] = Counter()
        self._losses: Counter[Destination] = Counter()
        self._breaks = False

    def process(self, span: SpanRecord, route: Route) -> None:
        """Note it."""
        self.available.wait(PATIENCE)
        name = route.destination.experiment.name
        self._breaks |= name == "breaks"
        self._failures[route.destination] += name in self.fails
        self._losses[route.destination] += name == "rejects"
        if name not in {*self.fails, "rejects", "breaks"}:
            self.recorded.append(span.span_id[-1])

    def failures(self) -> dict[Destination, int]:
        """By destination."""
        return dict(self._failures)

    def losses(self) -> dict[Destination, int]:
        """By destination."""
        return dict(self._losses)

    def retry_denied(self) -> None:
        """Nothing was denied."""

    def send_all(self, *, busy: bool = False) -> None:
        """Break, if a span of this commit is to break it."""
        del busy
        broken, self._breaks = self._breaks, False
        if broken:
            raise KeyError("trial")

    def wait_for_reports(self, timeout: float) -> None:
        """There are none."""


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Mlflow:
    """What the writers of this test write to; without pauses between attempts."""
    found = Mlflow()

    def pipeline(_stop: threading.Event) -> Mlflow:
        return found

    monkeypatch.setattr(request_writer, "MultiWriterPipeline", pipeline)
    monkeypatch.setattr(retry_schedule, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(interrupted_requests, "PAUSE", 0.05)
    return found


def request(number: int, experiment: str = "E", padding: int = 0, foreign: int = 0) -> PendingRequest:
    """A request with one span: a call's, or another library's of the id `foreign` in the same trace."""
    body = ExportTraceServiceRequest()
    span = body.resource_spans.add().scope_spans.add(scope={"name": "other" if foreign else "otel_dspy"}).spans.add()
    span.trace_id, span.span_id = number.to_bytes(16, "big"), (foreign or number).to_bytes(8, "big")
    span.start_time_unix_nano = span.end_time_unix_nano = 1
    if not foreign:
        span.attributes.add(key="dspy.operation.name").value.string_value = "module" + " " * padding
    found = PendingRequest(
        body.SerializeToString(), json=False, experiment=experiment, workspace=None, experiments=ExperimentRouter(URI)
    )
    assert not found.check()
    return found


@contextmanager
def running(folder: Path, **bounds: int) -> Generator[DurableQueue]:
    """A queue and its writer, ended as a bridge ends them."""
    writer = RequestWriter(1_000_000)
    queue = DurableQueue(folder, URI, writer, **{"max_bytes": 1_000_000, "max_waiting_bytes": 1_000_000} | bounds)
    queue.start()
    try:
        yield queue
    finally:
        queue.drain(0)
        writer.close(PATIENCE)
        queue.close()


def stored(queue: DurableQueue, *requests: PendingRequest) -> None:
    """Append them and wait until they are on disk."""
    futures = [queue.append(one) for one in requests]
    for future in futures:
        assert future is not None
        future.result(PATIENCE)


def test_requests_are_written_in_order_and_deleted(tmp_path: Path, mlflow: Mlflow) -> None:
    """Each is acknowledged before MLflow accepts anything; afterwards the queue is empty."""
    mlflow.available.clear()
    with running(tmp_path) as queue:
        stored(queue, *(request(number) for number in range(1, 6)))
        assert (queue.requests, mlflow.recorded) == (5, [])
        assert queue.bytes > 5 * 256
        assert queue.oldest_seconds > 0
        mlflow.available.set()
        awaited(lambda: (queue.requests, queue.bytes, queue.oldest_seconds) == (0, 0, 0.0), "all of them")
        assert mlflow.recorded == ["1", "2", "3", "4", "5"]


def test_the_spans_of_a_request_are_parsed_once(
    tmp_path: Path, mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is stored; again for a second attempt, and by the next bridge with this queue."""
    mlflow.available.clear()
    requests = [request(1), request(2, "fails"), request(3)]
    bodies = [one.body for one in requests]
    parses: list[int] = []

    def counted(body: bytes) -> Iterator[ReceivedSpan | BadSpanError]:
        parses.append(1 + bodies.index(body))
        return spans_in_protobuf(body)

    monkeypatch.setattr(pending_request, "spans_in_protobuf", counted)
    with running(tmp_path) as queue:
        stored(queue, *requests)
        del requests
        mlflow.available.set()
        awaited(lambda: mlflow.recorded == ["1", "3"], "the others")
        awaited(lambda: 2 in parses, "a second attempt")
        assert set(parses) == {2}
        queue.drain(0)
    parses.clear()
    with running(tmp_path):
        awaited(lambda: 2 in parses, "the next bridge")


def test_what_is_left_is_written_by_the_next_one(
    tmp_path: Path, mlflow: Mlflow, caplog: pytest.LogCaptureFixture
) -> None:
    """One line at the end names number and folder; the next writer does not get what was deleted."""
    with running(tmp_path) as queue:
        stored(queue, request(1))
        awaited(lambda: queue.requests == 0, "the first")
    caplog.set_level("INFO")
    with running(tmp_path) as queue:
        queue.drain(0)
        stored(queue, request(2), request(3))
        size = queue.bytes
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("otel_dspy.bridge")]
    assert lines == [
        f"2 requests ({size} bytes) stay in the queue {tmp_path}; the next bridge with this queue writes them to MLflow"
    ]
    with running(tmp_path) as queue:
        awaited(lambda: queue.requests == 0, "the others")
    assert mlflow.recorded == ["1", "2", "3"]


def test_spans_of_other_libraries_stay_until_their_trace_is_known(
    tmp_path: Path, mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait in memory for a span of otel-dspy; a bridge that ends meanwhile reads them again."""
    other = request(1, foreign=9)
    with running(tmp_path) as queue:
        stored(queue, other, request(2))
        awaited(lambda: queue.requests == 1, "the second")
    with running(tmp_path) as queue:
        stored(queue, request(1))
        awaited(lambda: queue.requests == 1, "the program's span")
    assert mlflow.recorded == ["2", "1", "9"]
    monkeypatch.setattr(finished_requests, "MAX_BUFFERED", 0.1)
    with running(tmp_path) as queue:
        awaited(lambda: queue.requests == 0, "the end of its time")


def test_a_full_queue_accepts_nothing_until_mlflow_does(tmp_path: Path, mlflow: Mlflow) -> None:
    """A request larger than the bound is accepted while the queue is empty."""
    mlflow.available.clear()
    with running(tmp_path, max_bytes=1000) as queue:
        stored(queue, request(1, padding=2000))
        assert queue.full
        assert queue.append(request(2)) is None
        mlflow.available.set()
        awaited(lambda: not queue.full, "the first")
        assert queue.requests == 0
        stored(queue, request(2))


def test_a_failing_experiment_does_not_delay_others(tmp_path: Path, mlflow: Mlflow) -> None:
    """Its requests stay queued and are written when it recovers; later ones of other experiments are written before."""
    with running(tmp_path) as queue:
        stored(queue, request(1, "fails"), request(2, "fails"), request(3))
        awaited(lambda: mlflow.recorded == ["3"], "the third")
        assert queue.requests >= 2
        mlflow.fails.clear()
        awaited(lambda: queue.requests == 0, "the others")
    assert sorted(mlflow.recorded) == ["1", "2", "3"]
    assert queue.rejected == 0


def test_what_mlflow_rejects_is_kept_apart(tmp_path: Path, mlflow: Mlflow, caplog: pytest.LogCaptureFixture) -> None:
    """With one line for each reason; the next start attempts it again."""
    with running(tmp_path) as queue:
        stored(queue, request(1, "rejects"))
        awaited(lambda: queue.rejected == 1, "the rejection")
        stored(queue, request(2, "rejects"), request(3))
        awaited(lambda: (queue.requests, queue.bytes, queue.rejected) == (0, 0, 2), "the others")
        assert mlflow.recorded == ["3"]
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    expected = (
        f"A request is kept apart in the queue {tmp_path}: MLflow rejected a part of it. The next start of the bridge "
        "attempts it again; further requests with this reason are only counted "
        "(otel_dspy_bridge_queue_rejected_requests)"
    )
    assert lines == [expected]
    with running(tmp_path) as queue:
        awaited(lambda: queue.rejected == 2, "both again")


def test_a_request_that_breaks_every_commit_is_kept_apart(tmp_path: Path, mlflow: Mlflow) -> None:
    """Those that are committed with it are written once it is alone."""
    mlflow.available.clear()
    with running(tmp_path) as queue:
        stored(queue, request(1), request(2, "breaks"), request(3))
        mlflow.available.set()
        awaited(lambda: (queue.requests, queue.rejected) == (0, 1), "all")
    assert set(mlflow.recorded) == {"1", "3"}


def test_a_disk_that_fails_is_reported_and_recovers(
    tmp_path: Path, mlflow: Mlflow, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is asked to send again, in one line; what was there is not lost."""
    mlflow.available.clear()
    with running(tmp_path) as queue:
        stored(queue, request(1))
        database: Any = queue._database
        database._connection.execute("PRAGMA max_page_count = 20")  # stands for a disk of that size
        for _ in range(2):
            failed = queue.append(request(2, padding=200_000))
            assert failed is not None
            with pytest.raises(QueueError, match="database or disk is full"):
                failed.result(PATIENCE)
        assert queue.requests == 1
        database._connection.execute("PRAGMA max_page_count = 100000")
        awaited(lambda: queue.error is None, "its recovery")
        assert mlflow.recorded == []  # the queue tries the disk again by itself, before anything else happens
        stored(queue, request(2, padding=200_000))
        mlflow.available.set()
        awaited(lambda: queue.requests == 0, "both")
    assert mlflow.recorded == ["1", "2"]
    lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert lines == [
        f"the queue {tmp_path} cannot be written: database or disk is full; clients are asked to send requests again"
    ]


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "moved"])
def test_a_queue_that_is_deleted_or_moved_accepts_nothing(
    tmp_path: Path, mlflow: Mlflow, caplog: pytest.LogCaptureFixture, *, deleted: bool
) -> None:
    """No request is acknowledged that no later bridge would find; what was in it is written if MLflow accepts it."""
    folder, elsewhere = tmp_path / "queue", tmp_path / "elsewhere"
    mlflow.available.clear()
    with running(folder) as queue:
        stored(queue, request(1))
        folder.rename(elsewhere)
        if deleted:
            shutil.rmtree(elsewhere)
        for _ in range(2):
            failed = queue.append(request(2))
            assert failed is not None
            with pytest.raises(QueueError, match="was deleted or moved"):
                failed.result(PATIENCE)
        assert queue.error is not None
        assert queue.requests == 1
        mlflow.available.set()
        awaited(lambda: queue.requests == 0, "the first")
    assert mlflow.recorded == ["1"]
    assert caplog.text.count("was deleted or moved") == 1


@pytest.mark.parametrize("file", ["queue.db", "queue.db-wal"])
def test_a_queue_of_which_a_file_is_truncated_accepts_and_writes_nothing(
    tmp_path: Path, mlflow: Mlflow, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    """What SQLite would read may be missing or zeros. It is noticed when requests come, and when they are read."""
    with running(tmp_path) as queue:
        queue.drain(0)
        stored(queue, *(request(number, padding=1_000) for number in range(1, 10)))
        os.truncate(tmp_path / file, 0)
        for _ in range(2):
            failed = queue.append(request(10))
            assert failed is not None
            with pytest.raises(QueueError, match="was truncated while the bridge uses it"):
                failed.result(PATIENCE)
        assert queue.error is not None
        assert queue.requests == 9
    assert mlflow.recorded == []
    assert caplog.text.count("was truncated while the bridge uses it") == 1
    assert f"were in the queue {tmp_path}, a file of which was truncated" in caplog.text


def test_a_truncated_file_is_noticed_when_it_is_read(
    tmp_path: Path, mlflow: Mlflow, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a new request: its requests are not passed to MLflow, and the bridge is not ready."""
    with running(tmp_path) as queue:
        mlflow.available.clear()
        # The writer takes some, the others wait on the disk.
        stored(queue, *(request(number, "fails") for number in range(1, 4)))
        os.truncate(tmp_path / "queue.db-wal", 0)
        mlflow.available.set()
        awaited(lambda: queue.error is not None, "the error")
        assert "was truncated while the bridge uses it" in str(queue.error)
    assert caplog.text.count("was truncated while the bridge uses it") == 1


def test_a_queue_that_shrinks_is_not_truncated(tmp_path: Path, mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself gives space back."""
    monkeypatch.setattr("otel_dspy.bridge.durable_queue.database.WAL_BYTES", 50_000)
    with running(tmp_path, max_bytes=10_000_000, max_waiting_bytes=10_000_000) as queue:
        mlflow.available.clear()
        stored(queue, *(request(number, padding=100_000) for number in range(1, 10)))
        mlflow.available.set()
        awaited(lambda: queue.requests == 0, "all")
        stored(queue, request(11))
        awaited(lambda: queue.requests == 0, "one more")
        assert queue.error is None
    assert (tmp_path / "queue.db").stat().st_size < 100_000


def test_a_queue_that_is_moved_back_accepts_requests_again(tmp_path: Path, mlflow: Mlflow) -> None:
    """Without a restart."""
    folder, elsewhere = tmp_path / "queue", tmp_path / "elsewhere"
    with running(folder) as queue:
        folder.rename(elsewhere)
        failed = queue.append(request(1))
        assert failed is not None
        with pytest.raises(QueueError, match="was deleted or moved"):
            failed.result(PATIENCE)
        elsewhere.rename(folder)
        awaited(lambda: queue.error is None, "its recovery")
        stored(queue, request(2))
        awaited(lambda: queue.requests == 0, "the second")
    assert mlflow.recorded == ["2"]


def test_a_path_that_cannot_be_read_does_not_end_the_queue(
    tmp_path: Path, mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the file was moved is unknown then; the open one accepts requests."""

    def unreadable(path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    with running(tmp_path) as queue:
        monkeypatch.setattr("otel_dspy.bridge.durable_queue.database.file_identity", unreadable)
        stored(queue, request(1), request(2))
        awaited(lambda: queue.requests == 0, "both")
        assert queue.error is None
    assert mlflow.recorded == ["1", "2"]


def test_the_end_of_a_bridge_names_the_requests_of_a_deleted_queue(
    tmp_path: Path, mlflow: Mlflow, caplog: pytest.LogCaptureFixture
) -> None:
    """They do not stay in it."""
    folder = tmp_path / "queue"
    with running(folder) as queue:
        queue.drain(0)
        stored(queue, request(1))
        shutil.rmtree(folder)
    assert mlflow.recorded == []
    assert f"were in the queue {folder}, which was deleted or moved: they are lost" in caplog.text
    assert "stay in the queue" not in caplog.text
