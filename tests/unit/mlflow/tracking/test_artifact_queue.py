"""Failing artifact stores: handled independently of the tracking store and of each other."""

from __future__ import annotations

import errno
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient

from otel_dspy.mlflow.mapping.operations import EndRun, EnsureRun, LogMetrics, LogParams, LogTable, LogText, MetricPoint
from otel_dspy.mlflow.mapping.run_keys import CompileRun
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.artifact_queue import artifact_queue, artifact_write
from otel_dspy.mlflow.tracking.artifact_queue.artifact_queue import ArtifactQueue
from otel_dspy.mlflow.tracking.artifact_queue.artifact_write import ArtifactWrite
from otel_dspy.mlflow.tracking.artifact_queue.store_state import store_name
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.requests import retry
from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactStore
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter
from tests.support.blank_store import blank_store
from tests.support.object_store import DENIED, EXPIRED, NO_BUCKET, SLOW_DOWN, Fault, object_store
from tests.support.waiting import awaited
from tests.unit.mlflow.tracking.test_cloud_errors import s3_upload

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from mlflow.entities import Run

    from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactContent
    from tests.support.object_store import ObjectStore

RUN = CompileRun("c")
DEADLINE = 60.0


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Generator[ObjectStore]:
    """An object store that MLflow's clients write to, and that is waited for, however long the first client takes."""
    monkeypatch.setattr(artifact_queue, "MAX_WAIT", DEADLINE)
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "LONGEST_PAUSE", 0.001)
    with object_store() as running:
        running.serve_clients(monkeypatch)
        yield running


def _optimize(uri: str, location: str, name: str) -> OperationApplier:
    """What a compile logs, to an experiment of that name and artifact location."""
    MlflowClient(uri).create_experiment(name, location)
    applier = OperationApplier(ExclusiveWriter(Destination(uri, Experiment(name=name)), threading.Event()))
    for operation in (
        EnsureRun(key="run", run=RUN, name="compile", start_ms=1, parent=None, tags={}),
        LogText(key="text", run=RUN, path="candidates/a.json", text="first"),
        LogTable(key="table", run=RUN, path="table.json", columns=["a"], rows=[["second"]], start_ms=1),
        LogParams(key="params", run=RUN, params={"seed": "9"}),
        LogMetrics(key="metrics", run=RUN, metrics=(MetricPoint(name="score", value=1.0, step=0, time_ms=1),)),
        EndRun(key="end", run=RUN, status="FINISHED", end_ms=2),
    ):
        applier.apply(operation)
    applier.send_all()
    return applier


def _run(uri: str, name: str) -> Run:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def _logged(run: Run) -> tuple[Any, ...]:
    return (run.info.run_name, run.info.status, run.data.params, run.data.metrics)


WHOLE = ("compile", "FINISHED", {"seed": "9"}, {"score": 1.0})


def _send_until_written(applier: OperationApplier) -> None:
    deadline = time.monotonic() + DEADLINE
    while applier.artifacts_waiting:
        assert time.monotonic() < deadline
        applier.send_due()
        time.sleep(0.005)


@pytest.mark.parametrize("fault", [EXPIRED, DENIED, SLOW_DOWN], ids=lambda fault: fault.code)
def test_artifacts_wait_for_their_store_and_nothing_else_does(
    fault: Fault, store: ObjectStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The run is whole at once but for them; one message; retried until they are there, the table listed."""
    uri, store.fault = blank_store(tmp_path), fault
    applier = _optimize(uri, "s3://bucket/mine", "mine")
    assert _logged(_run(uri, "mine")) == WHOLE
    before = store.failed
    while store.failed < before + 3:
        applier.send_due()
        time.sleep(0.005)
    assert (applier.artifacts_waiting, applier.lost, applier.failed, store.objects) == (2, 0, 0, {})
    assert applier.artifacts_failing_since is not None
    assert applier.failing_since is None
    assert caplog.text.count("The artifact store s3://bucket") == 1
    assert ("renew them" in caplog.text) is (fault is not SLOW_DOWN)
    store.fault = None
    _send_until_written(applier)
    applier.send_all()
    run = _run(uri, "mine")
    below = str(run.info.artifact_uri).removeprefix("s3://")
    assert store.objects == {
        f"{below}/candidates/a.json": b"first",
        f"{below}/table.json": b'{"columns": ["a"], "data": [["second"]]}',
    }
    assert run.data.tags["mlflow.loggedArtifacts"] == '[{"path": "table.json", "type": "table"}]'
    assert (applier.lost, applier.failed, applier.artifacts_failing_since) == (0, 0, None)


def test_credentials_that_come_later_are_found(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow keeps boto3's clients, also those that have found no credentials."""
    boto3 = pytest.importorskip("boto3")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "aws"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    uri = blank_store(tmp_path)
    applier = _optimize(uri, "s3://bucket/mine", "mine")
    assert (applier.artifacts_waiting, applier.lost, applier.failed, store.failed) == (2, 0, 0, 0)
    (tmp_path / "aws").write_text("[default]\naws_access_key_id = me\naws_secret_access_key = not-a-secret\n")
    _send_until_written(applier)
    assert len(store.objects) == 2


@pytest.mark.parametrize(
    ("location", "library"),
    [
        ("wasbs://bucket@devstoreaccount1.blob.core.windows.net/mine", "azure.storage.blob"),
        ("gs://bucket/mine", "google.cloud.storage"),
    ],
)
def test_azure_and_google(location: str, library: str, store: ObjectStore, tmp_path: Path) -> None:
    """The same with the errors of their clients."""
    pytest.importorskip(library)
    uri, store.fault = blank_store(tmp_path), Fault(403, "AuthenticationFailed")
    applier = _optimize(uri, location, "mine")
    assert _logged(_run(uri, "mine")) == WHOLE
    assert (applier.artifacts_waiting, applier.lost, applier.failed, store.failed > 0) == (2, 0, 0, True)
    store.fault = None
    _send_until_written(applier)
    assert sorted(store.objects.values()) == [b"first", b'{"columns": ["a"], "data": [["second"]]}']


def test_what_a_store_rejects_counts_as_failed_and_not_as_lost(
    store: ObjectStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A bucket that does not exist may be made: the spool keeps what failed. Logged once."""
    uri, store.fault = blank_store(tmp_path), NO_BUCKET
    applier = _optimize(uri, "s3://bucket/mine", "mine")
    assert _logged(_run(uri, "mine")) == WHOLE
    assert (applier.artifacts_waiting, applier.lost, applier.failed) == (0, 0, 2)
    assert caplog.text.count("The artifact store s3://bucket failed to store candidates/a.json") == 1
    assert "otel-dspy replay" in caplog.text


def _deny(monkeypatch: pytest.MonkeyPatch, folder: str, code: int) -> None:
    """Let the operating system refuse to make folders there: to root it would only on file systems of their own."""
    make = os.mkdir

    def mkdir(path: Any, *args: Any, **keywords: Any) -> None:
        if str(path).startswith(folder):
            raise OSError(code, os.strerror(code), str(path))
        make(path, *args, **keywords)

    monkeypatch.setattr(os, "mkdir", mkdir)


@pytest.mark.parametrize("kind", ["ENOTDIR", "ENOENT", "EPERM", "EACCES", "EROFS"])
def test_a_location_that_cannot_be_written_here(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A path of the server's: one message names it and what to do; two experiments of one store get all the rest."""
    monkeypatch.setattr(artifact_queue, "MAX_WAIT", DEADLINE)
    (tmp_path / "file").write_text("")
    location = {"ENOTDIR": f"{tmp_path}/file/mine", "ENOENT": "/proc/otel-dspy/mine"}.get(kind, f"{tmp_path}/denied")
    if location == f"{tmp_path}/denied":
        _deny(monkeypatch, location, getattr(errno, kind))
    uri = blank_store(tmp_path)
    applier = _optimize(uri, location, "mine")
    assert _logged(_run(uri, "mine")) == WHOLE
    assert (applier.artifacts_waiting, applier.lost, applier.failed, applier.retries) == (0, 0, 2, 0)
    assert caplog.text.count("Artifacts cannot be written to ") == 1
    assert f"Artifacts cannot be written to {location} on this machine; they stay in the spool" in caplog.text
    assert "--artifacts-destination" in caplog.text
    other = _optimize(uri, f"{tmp_path}/other", "other")
    assert (other.artifacts_waiting, other.lost, other.failed) == (0, 0, 0)
    assert (tmp_path / "other" / _run(uri, "other").info.run_id / "artifacts" / "table.json").is_file()


@dataclass
class Clock:
    """Stands for the module `time`."""

    now: float = 100.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def replace_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No attempt takes any time, however late its thread is."""
        for module in (artifact_queue, artifact_write):
            monkeypatch.setattr(module, "time", self)


@dataclass
class Written:
    """What a queue has written, or tried to."""

    errors: list[Exception] = field(default_factory=list[Exception])
    paths: list[str] = field(default_factory=list[str])
    failed: int = 0

    def write(self, _uri: str, path: str, _content: ArtifactContent) -> None:
        """Write, or raise the next error."""
        self.paths.append(path)
        if self.errors:
            raise self.errors.pop(0)

    def fail(self) -> None:
        """Count."""
        self.failed += 1

    def queue(self) -> ArtifactQueue:
        """A queue that writes here."""
        return ArtifactQueue(self.write, threading.Event(), lambda: True, self.fail)


def _settle(queue: ArtifactQueue) -> None:
    """Send, and take the result in."""
    queue.send()
    for store in queue._stores.values():
        for attempt in store.attempts:
            assert attempt is None or attempt.done.wait(DEADLINE)
    queue.send()


def test_pauses_between_two_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """They double up to five seconds, half of each random: none is made before, and one is made afterwards."""
    clock, written = Clock(), Written([ConnectionError("away")] * 7)
    clock.replace_time(monkeypatch)
    queue = written.queue()
    queue.add(ArtifactWrite("s3://bucket/run/artifacts", "a", "text"))
    _settle(queue)
    for number, longest in enumerate((0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0), 1):
        clock.now += longest / 2 - 0.01
        _settle(queue)
        assert len(written.paths) == number
        clock.now += longest / 2 + 0.02
        _settle(queue)
        assert len(written.paths) == number + 1
    assert (queue.waiting, queue.retries, written.failed) == (0, 7, 0)


def test_a_retry_after_of_the_store_is_kept_to(monkeypatch: pytest.MonkeyPatch, store: ObjectStore, file: Path) -> None:
    """S3's `SlowDown` with seven seconds."""
    clock, written = Clock(), Written()
    clock.replace_time(monkeypatch)

    def upload(_uri: str, _path: str, _content: ArtifactContent) -> None:
        s3_upload(store.address, file)

    queue = ArtifactQueue(upload, threading.Event(), lambda: True, written.fail)
    store.fault = Fault(503, "SlowDown", (("Retry-After", "7"),))
    queue.add(ArtifactWrite("s3://bucket/run/artifacts", "a", "text"))
    _settle(queue)
    clock.now += 6.9
    _settle(queue)
    assert store.failed == 1
    clock.now += 0.2
    _settle(queue)
    assert store.failed == 2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to upload."""
    file = tmp_path / "a.txt"
    file.write_text("content")
    return file


def test_a_store_that_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client may block for minutes: it is waited for once, briefly; other stores are written meanwhile."""
    monkeypatch.setattr(artifact_queue, "MAX_WAIT", 0.05)
    hangs, paths = threading.Event(), list[str]()

    def write(uri: str, path: str, _content: ArtifactContent) -> None:
        if uri.startswith("s3:"):
            assert hangs.wait(DEADLINE)
        paths.append(path)

    queue = ArtifactQueue(write, threading.Event(), lambda: True, lambda: None)
    for uri in ("s3://bucket/run/artifacts", "gs://bucket/run/artifacts"):
        for path in ("1", "2"):
            queue.add(ArtifactWrite(uri, f"{uri[:2]}{path}", "text"))
    awaited(lambda: queue.send() or queue.waiting == 2, "the other store's artifacts")
    assert paths == ["gs1", "gs2"]
    assert queue.failing_since is not None
    hangs.set()
    _settle(queue)
    _settle(queue)
    assert (paths[2:], queue.waiting, queue.failing_since) == (["s31", "s32"], 0, None)


def test_artifacts_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it the oldest are left to the spool; the first may be under way and stays."""
    monkeypatch.setattr(artifact_queue, "MAX_CHARACTERS", 10)
    clock, written = Clock(), Written([ConnectionError("away")])
    clock.replace_time(monkeypatch)
    queue = written.queue()
    for path in ("1", "2", "3", "4"):
        queue.add(ArtifactWrite("s3://bucket/run/artifacts", path, "text"))
        _settle(queue)
    assert (written.paths, written.failed, queue.waiting) == (["1"], 2, 2)
    clock.now += 1
    _settle(queue)
    assert (written.paths, queue.waiting) == (["1", "1", "4"], 0)


def test_a_store_that_is_slower_than_the_program_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Artifacts that would exceed the bound are waited for instead."""
    monkeypatch.setattr(artifact_queue, "MAX_CHARACTERS", 10)
    monkeypatch.setattr(artifact_queue, "MAX_WAIT", DEADLINE)
    written = Written()

    def write(uri: str, path: str, content: ArtifactContent) -> None:
        time.sleep(0.02)
        written.write(uri, path, content)

    queue = ArtifactQueue(write, threading.Event(), lambda: True, written.fail)
    for number in range(6):
        queue.add(ArtifactWrite("s3://bucket/run/artifacts", str(number), "text"))
        queue.begin()
    queue.send()
    assert (sorted(written.paths), written.failed, queue.waiting) == ([str(number) for number in range(6)], 0, 0)


def test_what_is_given_up_is_counted_and_what_comes_then_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a replay does after half a minute."""
    clock, written = Clock(), Written([ConnectionError("away")])
    clock.replace_time(monkeypatch)
    queue = written.queue()
    queue.add(ArtifactWrite("s3://bucket/run/artifacts", "1", "text"))
    queue.add(ArtifactWrite("s3://bucket/run/artifacts", "2", "text"))
    _settle(queue)
    queue.give_up()
    assert (written.failed, queue.waiting) == (2, 0)
    queue.add(ArtifactWrite("s3://bucket/run/artifacts", "3", "text"))
    clock.now += 1
    _settle(queue)
    assert (written.paths, written.failed, queue.waiting) == (["1", "3"], 2, 0)


def test_a_store_that_accepts_artifacts_gets_several_at_the_same_time() -> None:
    """The first one alone, then four: each waits until all of them are in progress."""
    held, together, begun = threading.Event(), threading.Barrier(4), list[str]()

    def write(_uri: str, path: str, _content: ArtifactContent) -> None:
        begun.append(path)
        if path == "0":
            assert held.wait(DEADLINE)
        else:
            together.wait(DEADLINE)

    queue = ArtifactQueue(write, threading.Event(), lambda: True, lambda: None)
    for path in ("0", "1", "2", "3", "4"):
        queue.add(ArtifactWrite("s3://bucket/run/artifacts", path, "text"))
    queue.begin()
    awaited(lambda: begun == ["0"], "the first")
    held.set()
    queue.send()
    assert queue.waiting == 0
    assert sorted(begun) == ["0", "1", "2", "3", "4"]


def test_two_contents_of_one_file_are_written_in_order() -> None:
    """The second is not begun while the first is in progress, nor is what follows it."""
    held, texts = threading.Event(), list[Any]()

    def write(_uri: str, path: str, content: ArtifactContent) -> None:
        if content == "first":
            assert held.wait(DEADLINE)
        texts.append(content if path == "a" else path)

    queue = ArtifactQueue(write, threading.Event(), lambda: True, lambda: None)
    queue.add(ArtifactWrite("s3://bucket/run/artifacts", "before", "text"))
    queue.send()
    for path, content in (("a", "first"), ("b", "text"), ("a", "second"), ("c", "text")):
        queue.add(ArtifactWrite("s3://bucket/run/artifacts", path, content))
    queue.begin()
    awaited(lambda: texts == ["before", "b"], "the one beside it")
    held.set()
    queue.send()
    assert (texts[2], sorted(map(str, texts[3:])), queue.waiting) == ("first", ["c", "second"], 0)


def test_what_fails_in_one_outage_is_attempted_anew_after_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two writes that fail at the same time are one outage: one message, one pause, and one message at its end."""
    caplog.set_level("INFO")
    clock, away, attempts = Clock(), threading.Event(), list[str]()
    clock.replace_time(monkeypatch)

    def write(_uri: str, path: str, _content: ArtifactContent) -> None:
        attempts.append(path)
        if away.is_set():
            raise ConnectionError("away")

    queue = ArtifactQueue(write, threading.Event(), lambda: True, lambda: None)
    queue.add(ArtifactWrite("s3://bucket/run/artifacts", "0", "text"))
    _settle(queue)
    away.set()
    for path in ("1", "2"):
        queue.add(ArtifactWrite("s3://bucket/run/artifacts", path, "text"))
    _settle(queue)
    assert (sorted(attempts), queue.waiting) == (["0", "1", "2"], 2)
    away.clear()
    clock.now += 1
    _settle(queue)
    assert (sorted(attempts), queue.waiting, queue.failing_since) == (["0", "1", "1", "2", "2"], 0, None)
    assert caplog.text.count("does not accept artifacts") == caplog.text.count("accepts artifacts again") == 1


def test_artifacts_overlap_with_parameters_and_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that waits for the run's parameters is not waited for before they are sent."""
    monkeypatch.setattr(artifact_queue, "MAX_WAIT", DEADLINE)
    logged = threading.Event()
    log_run, write_text = Store.log_run, ArtifactStore.write_text

    def log(store: Store, *args: Any) -> None:
        log_run(store, *args)
        logged.set()

    def write(artifacts: ArtifactStore, *args: Any) -> None:
        assert logged.wait(DEADLINE)
        write_text(artifacts, *args)

    monkeypatch.setattr(Store, "log_run", log)
    monkeypatch.setattr(ArtifactStore, "write_text", write)
    uri = blank_store(tmp_path)
    MlflowClient(uri).create_experiment("mine", (tmp_path / "artifacts").as_uri())
    applier = OperationApplier(ExclusiveWriter(Destination(uri, Experiment(name="mine")), threading.Event()))
    for operation in (
        EnsureRun(key="run", run=RUN, name="compile", start_ms=1, parent=None, tags={}),
        LogText(key="text", run=RUN, path="a.json", text="first"),
        LogParams(key="params", run=RUN, params={"seed": "9"}),
    ):
        applier.apply(operation)
    applier.finish_span()
    applier.send_all()
    assert (applier.artifacts_waiting, applier.failed) == (0, 0)
    assert MlflowClient(uri).list_artifacts(_run(uri, "mine").info.run_id)[0].path == "a.json"


def test_urgent_operations_do_not_wait_for_artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that is in progress goes on beside them, and does not count as one that takes too long."""
    monkeypatch.setattr(artifact_queue, "MAX_WAIT", 0.0)
    free, write_text = threading.Event(), ArtifactStore.write_text

    def write(artifacts: ArtifactStore, *args: Any) -> None:
        assert free.wait(DEADLINE)
        write_text(artifacts, *args)

    monkeypatch.setattr(ArtifactStore, "write_text", write)
    uri = blank_store(tmp_path)
    MlflowClient(uri).create_experiment("mine", (tmp_path / "artifacts").as_uri())
    writer = ExclusiveWriter(Destination(uri, Experiment(name="mine")), threading.Event())
    applier = OperationApplier(writer, urgent=lambda: True)
    applier.apply(EnsureRun(key="run", run=RUN, name="compile", start_ms=1, parent=None, tags={}))
    applier.apply(LogText(key="text", run=RUN, path="a.json", text="first"))
    applier.send_due()
    waited, left = applier.artifacts_failing_since is not None, applier.artifacts_waiting
    free.set()
    assert (waited, left) == (False, 1)
    monkeypatch.setattr(artifact_queue, "MAX_WAIT", DEADLINE)
    applier.send_all()
    assert (applier.artifacts_waiting, applier.failed) == (0, 0)


def test_a_run_that_has_ended_has_its_artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that waits for the end of a run reads its artifacts next."""
    monkeypatch.setattr(artifact_queue, "MAX_WAIT", DEADLINE)
    uri, found = blank_store(tmp_path), list[tuple[str, int]]()
    write_text, end_run = ArtifactStore.write_text, Store.end_run

    def end(store: Store, run_id: str, *args: Any) -> None:
        found.append((run_id, len(MlflowClient(uri).list_artifacts(run_id))))
        end_run(store, run_id, *args)

    def write(artifacts: ArtifactStore, *args: Any) -> None:
        time.sleep(0.05)
        write_text(artifacts, *args)

    monkeypatch.setattr(Store, "end_run", end)
    monkeypatch.setattr(ArtifactStore, "write_text", write)
    applier = _optimize(uri, (tmp_path / "artifacts").as_uri(), "mine")
    assert (found, applier.failed) == ([(_run(uri, "mine").info.run_id, 2)], 0)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://bucket/7/run/artifacts", "s3://bucket"),
        ("wasbs://box@me.blob.core.windows.net/7/run/artifacts", "wasbs://box@me.blob.core.windows.net"),
        ("ftp://me:geheim@host/7/run/artifacts", "ftp://me@host"),
        ("mlflow-artifacts:/7/run/artifacts", "mlflow-artifacts:/7"),
        ("file:///srv/7/run/artifacts", "file:///srv/7"),
        ("/srv/7/models/m-1/artifacts/", "/srv/7"),
        ("/srv/7", "/srv/7"),
    ],
)
def test_one_store_is_a_bucket_a_server_or_a_path(uri: str, name: str) -> None:
    """What is run- or model-specific is left out, passwords too."""
    assert store_name(uri) == name
