"""Answers of a server that sends head and body apart, as the processes of `mlflow server` do."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import requests

from otel_dspy.mlflow.tracking.requests import http_policy
from otel_dspy.mlflow.tracking.store.store import Store
from tests.support.loopback_server import LoopbackHandler, serving

if TYPE_CHECKING:
    from collections.abc import Generator


class _Handler(LoopbackHandler):
    """Answers as MLflow does where there are no experiments; Nagle's algorithm is enabled, the default of sockets."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send the head, then the body."""
        self.read_body()
        self.answer(200, b"{}")

    do_POST = do_GET


@pytest.fixture
def uri() -> Generator[str]:
    """A server."""
    with serving(_Handler) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="a socket option of Linux")
def test_answers_of_the_delivery_are_acknowledged_at_once(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option is set for each of its answers, which resets it, and for none of another thread's."""
    options: list[tuple[Any, ...]] = []
    set_option = socket.socket.setsockopt

    def recorded(self: socket.socket, *arguments: Any) -> None:
        options.append(arguments)
        set_option(self, *arguments)

    monkeypatch.setattr(socket.socket, "setsockopt", recorded)
    store = Store(uri)
    at_once = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    with http_policy.no_retries(0):
        store.answer()
        store.answer()
    assert options.count(at_once) == 2
    with requests.Session() as session:
        session.post(uri, data=b"{}")
    assert options.count(at_once) == 2
