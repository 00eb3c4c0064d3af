"""Answers of a server that sends head and body apart, as the processes of `mlflow server` do."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from otel_dspy.mlflow.tracking.requests import http_policy
from otel_dspy.mlflow.tracking.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Generator

DELAY: Final = 0.03
"""Seconds; Linux delays an acknowledgment by 40 ms."""
FIRST: Final = 30
"""Requests of a connection whose answers Linux acknowledges at once."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers as MLflow does where there are no experiments; Nagle's algorithm is enabled, the default of sockets."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send the head, then the body."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response_only(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET  # noqa: N815 - the name that the base class calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Log nothing."""


@pytest.fixture
def uri() -> Generator[str]:
    """A server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def shortest(request: Any) -> float:
    """Return the shortest of the seconds that requests take, after the first ones."""
    seconds: list[float] = []
    for _ in range(FIRST + 10):
        began = time.perf_counter()
        request()
        seconds.append(time.perf_counter() - began)
    return min(seconds[FIRST:])


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="a socket option of Linux")
def test_no_body_waits_for_a_delayed_acknowledgment(uri: str) -> None:
    """A request of the delivery takes no 40 ms; one of another thread does, since it is not changed."""
    store = Store(uri)
    with http_policy.no_retries(0):
        assert shortest(store.answer) < DELAY
    with requests.Session() as session:
        assert shortest(lambda: session.post(uri, data=b"{}")) > DELAY
