"""An HTTP server that answers every request with the same status."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from tests.support.loopback_server import serving

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def listening(status: int = 200, *, healthy: bool = False, body: bytes = b"") -> Generator[int]:
    """A server that answers everything with this status and body, of its health with 200 if `healthy`; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if healthy and self.path == "/health" else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            pass

    with serving(Handler) as port:
        yield port
