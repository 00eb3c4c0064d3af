"""Concurrent creation of the same run by several writers: one run remains, with all data."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from otel_dspy.bridge.multi_writer import creation_lock
from otel_dspy.bridge.multi_writer.multi_writer_pipeline import MultiWriterPipeline
from otel_dspy.bridge.multi_writer.run_creation import CLAIM, ConcurrentRunCreation
from otel_dspy.mlflow.mapping.operations import EnsureRun
from otel_dspy.mlflow.mapping.run_keys import CompileRun, TrialRun
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.records.sdk_span import span_record
from otel_dspy.mlflow.tracking.state.run_lookup import RUN_TAG, NewRun, Runs, run_tag
from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.store_reader import StoreReader
from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan
from otel_dspy.otlp_requests.span_route import routed
from tests.integration.bridge.test_stress import compiles
from tests.support.database_statements import COMMIT, database_statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.tracking.store.store_reader import FoundRun

RUN = CompileRun("c" * 32)


def ensure(number: int) -> EnsureRun:
    """The run as one writer logs it."""
    return EnsureRun(key="k", run=RUN, name="Any P", start_ms=1, parent=None, tags={f"from.{number}": "told"})


def runs_of(uri: str, experiment_id: str = "0") -> Runs:
    """A writer's."""
    connection = Connection(Destination(uri, Experiment(id=experiment_id)))
    return Runs(
        connection.store(), connection.experiment_id, ConcurrentRunCreation(connection).create, look_up_runs=True
    )


def emit(runs: Runs, uri: str, number: int) -> str:
    """Ensure the run and log the rest of its data; return its id."""
    tags = runs.ensure(ensure(number))
    run_id = runs.handle(RUN, 1).run_id
    if tags:
        Store(uri).log_run(run_id, {}, [], tags)
    return run_id


@pytest.mark.parametrize("kind", ["server", "sqlite"])
def test_four_at_once(kind: str, server_uri: str, new_store: Callable[[str], str]) -> None:
    """All four end with the same run; no claim is left; what each of them knew stands on it."""
    uri = server_uri if kind == "server" else new_store("m")
    gate, found = threading.Barrier(4), dict[int, str]()
    experiment_id = MlflowClient(uri).create_experiment(f"four-{uuid.uuid4().hex}")
    writers = [runs_of(uri, experiment_id) for _ in range(4)]

    def write(number: int) -> None:
        gate.wait()
        found[number] = emit(writers[number], uri, number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (run,) = MlflowClient(uri).search_runs([experiment_id], run_view_type=ViewType.ACTIVE_ONLY)
    assert found == dict.fromkeys(range(4), run.info.run_id)
    assert {f"from.{number}": "told" for number in range(4)}.items() <= run.data.tags.items()
    assert run.data.tags[RUN_TAG] == f"compile/{RUN.compile_id}"


def test_a_run_without_another_writer_is_one_transaction(new_store: Callable[[str], str]) -> None:
    """On SQLite: no claim is written."""
    uri = new_store("m")
    runs = runs_of(uri)
    with database_statements(uri) as statements:
        run_id = emit(runs, uri, 1)
    assert statements.count(COMMIT) == 1
    (run,) = MlflowClient(uri).search_runs(["0"], run_view_type=ViewType.ALL)
    assert (run.info.run_id, run.data.tags["from.1"]) == (run_id, "told")
    assert run.data.tags[RUN_TAG] == f"compile/{RUN.compile_id}"


def test_a_run_of_another_writer_undoes_the_transaction(new_store: Callable[[str], str]) -> None:
    """One that was created after this writer has looked for it: no second run was ever there."""
    uri = new_store("m")
    late = ConcurrentRunCreation(Connection(Destination(uri, Experiment(id="0"))))
    found = emit(runs_of(uri), uri, 1)
    made = late.create(NewRun(RUN, "Any P", 1, {"from.2": "told"}, placeholder=False))
    assert made.run_id == found
    (run,) = MlflowClient(uri).search_runs(["0"])
    assert {"from.1", "from.2"} <= run.data.tags.keys()


@pytest.mark.parametrize("own_is_smaller", [True, False])
def test_the_claim_of_one_who_is_gone_is_settled(
    new_store: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, *, own_is_smaller: bool
) -> None:
    """A writer that was killed between the two steps leaves a claim: the next one waits, then one run stands."""
    monkeypatch.setattr(creation_lock, "CLAIM_TIMEOUT", 0.5)
    uri = new_store("m")
    store = Store(uri)
    left = store.create_run("0", "Any P", 1, {RUN_TAG: f"{CLAIM}compile/{RUN.compile_id}"}).run_id
    create = store.create_run

    def until_it_sorts(*arguments: Any) -> Any:
        while True:
            made = create(*arguments)
            if (made.run_id < left) is own_is_smaller:
                return made
            store.delete_run(made.run_id)

    connection = Connection(Destination(uri, Experiment(id="0")))
    monkeypatch.setattr(connection.store(), "create_run", until_it_sorts)
    runs = Runs(
        connection.store(), connection.experiment_id, ConcurrentRunCreation(connection).create, look_up_runs=True
    )
    run_id = emit(runs, uri, 1)
    found = [run.info.run_id for run in MlflowClient(uri).search_runs(["0"])]
    settled = MlflowClient(uri).search_runs(["0"], f"tags.`{RUN_TAG}` = 'compile/{RUN.compile_id}'")
    assert [run.info.run_id for run in settled] == [run_id]
    assert (run_id == left) is not own_is_smaller
    assert settled[0].data.tags["from.1"] == "told"
    assert found == [run_id]


def test_a_claim_that_its_writer_settles_before_it_is_deleted(
    new_store: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That writer was suspended for longer than this one waits, and uses the run that this one deletes."""
    monkeypatch.setattr(creation_lock, "CLAIM_TIMEOUT", 0.0)
    uri = new_store("m")
    other, connection = Store(uri), Connection(Destination(uri, Experiment(id="0")))
    with monkeypatch.context() as largest:
        largest.setattr(uuid, "uuid4", lambda: uuid.UUID(int=2**128 - 1))
        claim = other.create_run("0", "Any P", 1, {RUN_TAG: f"{CLAIM}{run_tag(RUN)}"}).run_id
    delete = connection.store().delete_run

    def settled_late(run_id: str) -> None:
        if run_id == claim:
            other.log_run(claim, {}, [], {RUN_TAG: run_tag(RUN)})
        delete(run_id)

    monkeypatch.setattr(connection.store(), "delete_run", settled_late)
    runs = Runs(
        connection.store(), connection.experiment_id, ConcurrentRunCreation(connection).create, look_up_runs=True
    )
    assert emit(runs, uri, 1) == claim
    other.log_run(claim, {}, [], {"from.2": "told"})
    (run,) = MlflowClient(uri).search_runs(["0"])
    assert run.info.run_id == claim
    assert {"from.1", "from.2"} <= run.data.tags.keys()


def test_a_claim_that_its_writer_has_settled_is_never_deleted(
    new_store: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was a claim when this writer looked: a third writer must find the run at all times."""
    monkeypatch.setattr(creation_lock, "CLAIM_TIMEOUT", 0.0)
    uri = new_store("m")
    other, connection = Store(uri), Connection(Destination(uri, Experiment(id="0")))
    with monkeypatch.context() as largest:
        largest.setattr(uuid, "uuid4", lambda: uuid.UUID(int=2**128 - 1))
        claim = other.create_run("0", "Any P", 1, {RUN_TAG: f"{CLAIM}{run_tag(RUN)}"}).run_id
    deleted: list[str] = []
    delete, look = connection.store().delete_run, StoreReader.runs_like

    def settled_after_a_look(reader: StoreReader, *arguments: Any) -> list[FoundRun]:
        found = look(reader, *arguments)
        other.log_run(claim, {}, [], {RUN_TAG: run_tag(RUN)})
        return found

    def recorded(run_id: str) -> None:
        deleted.append(run_id)
        delete(run_id)

    monkeypatch.setattr(StoreReader, "runs_like", settled_after_a_look)
    monkeypatch.setattr(connection.store(), "delete_run", recorded)
    runs = Runs(
        connection.store(), connection.experiment_id, ConcurrentRunCreation(connection).create, look_up_runs=True
    )
    assert emit(runs, uri, 1) == claim
    assert claim not in deleted


def test_a_claim_that_is_left_beside_the_run_is_deleted(server_uri: str) -> None:
    """A writer was killed after another had settled the run: both the next writer and the end of the compile see it."""
    store, client = Store(server_uri), MlflowClient(server_uri)
    experiment_id = client.create_experiment(f"claims-{uuid.uuid4().hex}")
    connection = Connection(Destination(server_uri, Experiment(id=experiment_id)))
    creation = ConcurrentRunCreation(connection)
    new = NewRun(RUN, "Any P", 1, {}, placeholder=True)
    run_id = creation.create(new).run_id
    other = CompileRun("d" * 32)
    claimed = [f"{CLAIM}{run_tag(run)}" for run in (RUN, TrialRun(RUN.compile_id, 1, RUN), other)]

    def leave(*tags: str) -> list[str]:
        return [store.create_run(experiment_id, "left", 1, {RUN_TAG: tag}).run_id for tag in tags]

    leave(claimed[0])
    assert creation.create(new).run_id == run_id
    assert [run.info.run_id for run in client.search_runs([experiment_id])] == [run_id]
    (_, *undecided) = leave(*claimed)
    creation.delete_claims(RUN.compile_id)
    assert {run.info.run_id for run in client.search_runs([experiment_id])} == {run_id, *undecided}


def test_the_end_of_a_compile_deletes_the_claims_beside_its_runs(new_store: Callable[[str], str]) -> None:
    """Its spans arrive once more, after a writer has left a claim on one of its runs."""
    uri, pipeline = new_store("m"), MultiWriterPipeline(threading.Event())
    destination = Destination(uri, Experiment(id="0"))

    def receive() -> None:
        for span in compiles(1, 1, nested=False):
            received = ReceivedSpan(span_record(span), local_root=span.parent is None)
            pipeline.process(*routed(received, destination))
        pipeline.send_all()

    receive()
    client = MlflowClient(uri)
    runs = {run.info.run_id for run in client.search_runs(["0"])}
    left = Store(uri).create_run("0", "left", 1, {RUN_TAG: f"{CLAIM}{run_tag(CompileRun('c-False-0'))}"}).run_id
    assert {run.info.run_id for run in client.search_runs(["0"])} == {*runs, left}
    receive()
    assert {run.info.run_id for run in client.search_runs(["0"])} == runs
    assert (pipeline.failed, pipeline.lost) == (0, 0)
