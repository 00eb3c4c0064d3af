"""An HTTP server that closes connections which have been idle for a while, as uvicorn does after 5 s."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from tests.support.loopback_server import serving

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def closing_connections(idle: float) -> Generator[int]:
    """Answer every POST with 200, and close its connection when it was idle.

    Args:
        idle: seconds.

    Yields:
        The server's port on loopback.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.connection.settimeout(idle)  # only now: the first request may arrive later than its connection

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            pass

    with serving(Handler) as port:
        yield port
