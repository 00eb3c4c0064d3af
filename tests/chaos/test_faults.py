"""A server that returns errors, closes connections, is locked or full: requests are retried in order, with one log line."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests

from otel_dspy.cli import main
from otel_dspy.environment.variable_names import FLUSH_TIMEOUT
from otel_dspy.mlflow import MlflowSpanProcessor
from otel_dspy.mlflow.delivery.drain_timeout import DrainTimeout
from tests.chaos import twins
from tests.chaos.faulty_proxy import CUT_AFTER, FAULTS, RETRY_AFTER, faulty_proxy
from tests.chaos.twins import DELIVERY, differences, exporting_to, optimize, record
from tests.support.mlflow_server import free_port
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mlflow_server import MlflowServer


@pytest.fixture(autouse=True)
def _experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment of the test's own: the server is shared."""
    monkeypatch.setattr(twins, "EXPERIMENT", f"faults-{uuid.uuid4().hex[:8]}")


@pytest.mark.parametrize(
    ("faults", "share"),
    [(FAULTS, 0.2), pytest.param((CUT_AFTER,), 0.2, marks=pytest.mark.slow)],
    ids=["every fault", "answers lost"],
)
def test_faults_of_every_kind_change_nothing(
    faults: tuple[str, ...], share: float, server: MlflowServer, store: str, spool: Path
) -> None:
    """A fifth of all requests fail, or of all answers are lost: 0 lost, 0 twice, nothing left in the spool."""
    with faulty_proxy(server.uri, faults=faults, share=share) as proxy, exporting_to(store, proxy.uri) as processors:
        optimize(trials=3)
        for processor in processors:
            assert processor.force_flush(DELIVERY)
            assert processor.lost == 0
        assert set(proxy.suffered) == {"passed", *faults}
    assert differences(record(server.uri), record(store)) == []
    assert list(spool.glob("*")) == []


def test_pages_of_a_proxy_while_mlflow_is_redeployed_change_nothing(
    server: MlflowServer, store: str, spool: Path
) -> None:
    """A proxy that has nowhere to send requests to answers 404 with a page of its own: no request is rejected for it."""
    with faulty_proxy(server.uri, faults=("404",), share=0.0) as proxy, exporting_to(store, proxy.uri) as processors:
        optimize(trials=1)
        awaited(lambda: proxy.suffered["passed"] > 20, "the first operations")
        proxy.share = 1.0
        optimize(trials=1)
        awaited(lambda: proxy.suffered["404"] > 4, "retries")
        proxy.share = 0.0
        for processor in processors:
            assert processor.force_flush(DELIVERY)
            assert processor.lost == 0
    assert differences(record(server.uri), record(store)) == []
    assert list(spool.glob("*")) == []


@pytest.mark.slow
def test_retry_after_of_a_server_is_respected(server: MlflowServer, spool: Path) -> None:
    """After a 429 with `Retry-After` no request comes before that time is over, however short our own pause is."""
    del spool
    with faulty_proxy(server.uri, faults=("429",), share=1.0) as proxy, exporting_to(proxy.uri) as (processor,):
        optimize(trials=1)
        time.sleep(3.5 * RETRY_AFTER)
        assert 2 <= proxy.suffered["429"] <= 4
        proxy.share = 0.0
        assert processor.force_flush(DELIVERY)
        assert processor.lost == 0


def test_a_server_that_is_down_is_noticed_at_once_and_costs_an_exit_seconds(
    spool: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning comes with the first failure, once, without the password; the exit waits five and logs where the spans are.

    It does so whatever it waits for an MLflow that responds, here longer than the test may take.
    """
    monkeypatch.setenv(FLUSH_TIMEOUT, "3600")
    assert DrainTimeout.from_environment().unanswered == 5
    asked: list[str] = []
    attempt = requests.Session.request

    def noted(session: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
        asked.append(caplog.text)
        return attempt(session, method, url, **more)

    monkeypatch.setattr(requests.Session, "request", noted)
    with caplog.at_level(logging.WARNING), exporting_to(f"http://me:geheim@127.0.0.1:{free_port()}") as (processor,):
        optimize(trials=1)
        awaited(lambda: "is unavailable; retrying" in caplog.text and len(asked) > 1, "the second request")
        processor.shutdown()
    assert ["is unavailable; retrying" in text for text in asked[:2]] == [False, True]
    assert caplog.text.count("is unavailable; retrying") == 1
    assert "(connection refused, nothing listens there). No data is lost. Start MLflow there, or correct" in caplog.text
    assert "http://me@127.0.0.1" in caplog.text
    assert "otel-dspy replay" in caplog.text
    assert "geheim" not in caplog.text
    assert len(list(spool.glob("*.jsonl"))) == 2
    assert not any("geheim" in path.read_text() for path in spool.iterdir())


@pytest.mark.slow
def test_requests_of_the_users_own_keep_mlflows_retries(server: MlflowServer, spool: Path) -> None:
    """While we wait for a server that fails, a request of the user's own thread is retried by MLflow as ever."""
    del spool
    with faulty_proxy(server.uri, faults=("503",), share=1.0) as proxy, exporting_to(proxy.uri):
        optimize(trials=1)
        time.sleep(1)
        threading.Timer(1.5, lambda: setattr(proxy, "share", 0.0)).start()
        from mlflow import MlflowClient  # noqa: PLC0415 - after the processors have loaded it

        assert MlflowClient(proxy.uri).get_experiment("0").name == "Default"


@pytest.mark.slow
def test_a_database_locked_by_somebody_else(
    store: str, second_store: str, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A lock on sqlite is waited out, without MLflow's stack traces, and all is there afterwards."""
    lock = sqlite3.connect(second_store.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    lock.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(12, lock.rollback)
    release.start()
    with caplog.at_level(logging.WARNING), exporting_to(store, second_store) as processors:
        optimize(trials=2)
        for processor in processors:
            assert processor.force_flush(DELIVERY)
            assert processor.lost == 0
    assert differences(record(second_store), record(store)) == []
    assert "another process writes to its database" in caplog.text
    assert "Traceback" not in caplog.text
    assert list(spool.glob("*")) == []


def test_a_full_disk(store: str, second_store: str, spool: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A database that cannot grow is waited for until it can."""
    recorded = MlflowSpanProcessor(tracking_uri=second_store, experiment=twins.EXPERIMENT)
    from otel_dspy.mlflow.tracking.store.store import Store  # noqa: PLC0415 - it loads MLflow

    engine = Store(second_store)._store.engine
    # Of the connection, not of the file: sqlite's limit of a database's size.
    (pages,) = engine.raw_connection().cursor().execute("PRAGMA page_count").fetchone()
    from sqlalchemy import event  # noqa: PLC0415 - a part of MLflow

    limit = [pages]

    def limited(connection: sqlite3.Connection, _record: object, _proxy: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {limit[0]}")

    event.listen(engine, "checkout", limited)
    recorded.shutdown()

    def make_room() -> None:
        deadline = time.monotonic() + 60
        while "database or disk is full" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.1)
        limit[0] = 2**30

    threading.Thread(target=make_room, daemon=True).start()
    with caplog.at_level(logging.WARNING), exporting_to(store, second_store) as processors:
        optimize(trials=2)
        for processor in processors:
            assert processor.force_flush(DELIVERY)
            assert processor.lost == 0
    assert differences(record(second_store), record(store)) == []
    assert "database or disk is full" in caplog.text
    assert list(spool.glob("*")) == []


def test_an_experiment_that_somebody_has_deleted(
    store: str, second_store: str, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What belongs there is not lost: it stands in the spool, with a word on why, and a replay brings it back."""
    from mlflow import MlflowClient  # noqa: PLC0415 - see above

    client = MlflowClient(second_store)
    gone = client.create_experiment(twins.EXPERIMENT)
    client.delete_experiment(gone)
    with caplog.at_level(logging.WARNING), exporting_to(store, second_store) as processors:
        optimize(trials=1)
        for processor in processors:
            assert processor.force_flush(DELIVERY)
            assert processor.lost == 0
    assert f"The experiment {gone} must be in the 'active' state" in caplog.text
    assert "restore it or configure another; it is kept in the spool" in caplog.text
    client.restore_experiment(gone)
    assert main(["replay", "--tracking-uri", second_store, str(spool)]) == 0
    assert differences(record(second_store), record(store)) == []
    assert list(spool.glob("*")) == []
