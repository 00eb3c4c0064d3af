"""Connections that deliveries keep to a server."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import requests
from requests.adapters import HTTPAdapter

from otel_dspy.mlflow.tracking.requests import connection_pool, http_policy
from otel_dspy.mlflow.tracking.requests.concurrent_requests import ConcurrentRequests, Request
from otel_dspy.mlflow.tracking.store.store import Store
from tests.support.loopback_server import LoopbackHandler, serving

if TYPE_CHECKING:
    from collections.abc import Generator

SIZE = 15
WAIT = 60.0
VARIABLE = "MLFLOW_HTTP_POOL_MAXSIZE"


@dataclass
class Server:
    """A server that answers no request before others have arrived.

    Attributes:
        together: passed by as many requests as are awaited.
        port: on loopback.
        connections: number of connections that were opened to it.
    """

    together: threading.Barrier = field(default_factory=lambda: threading.Barrier(1))
    port: int = 0
    connections: int = 0


@contextmanager
def running() -> Generator[Server]:
    """Serve answers of an MLflow without experiments."""
    server = Server()

    class Handler(LoopbackHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            server.connections += 1
            super().setup()

        def do_GET(self) -> None:
            self.read_body()
            server.together.wait(WAIT)
            self.answer(200, b"{}")

        do_POST = do_GET

    with serving(Handler) as server.port:
        yield server


def test_a_connection_is_kept_for_each_request_at_a_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """None is opened for one request alone, and urllib3 logs no pool that is full."""
    monkeypatch.delenv(VARIABLE, raising=False)
    with running() as server:
        uri = f"http://127.0.0.1:{server.port}"
        store = Store(uri)
        some = ConcurrentRequests(uri, None, lambda: False, lambda: 1.0)
        for _ in range(5):  # the limit grows
            assert all(some.send([Request(store.answer)] * SIZE))
        assert some.limit == SIZE
        server.together = threading.Barrier(SIZE)
        assert all(some.send([Request(store.answer)] * SIZE * 3))
        assert server.connections == SIZE
    assert "pool is full" not in caplog.text


def kept(session: requests.Session) -> int:
    """Return the number of connections to a host that a session keeps."""
    adapter = session.get_adapter("http://127.0.0.1")
    assert isinstance(adapter, HTTPAdapter)
    return adapter.poolmanager.connection_pool_kw["maxsize"]


@pytest.mark.parametrize(("given", "size"), [(None, SIZE), ("3", 3), ("40", 40), ("0", 1), ("many", SIZE)])
def test_the_size_is_mlflows_setting_if_there_is_one(
    given: str | None, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests at a time are at least one; MLflow raises an error about a value that is no number."""
    monkeypatch.delenv(VARIABLE, raising=False)
    if given is not None:
        monkeypatch.setenv(VARIABLE, given)
    assert connection_pool.size() == size


def test_sessions_of_the_program_are_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that a delivery creates keep more connections."""
    monkeypatch.delenv(VARIABLE, raising=False)
    http_policy.prepare()
    with requests.Session() as session:
        assert kept(session) == 10
    with http_policy.no_retries(0), requests.Session() as session:
        assert kept(session) == SIZE
