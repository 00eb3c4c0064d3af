"""HTTP servers that run on loopback for the duration of a block."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

Server = TypeVar("Server", bound=HTTPServer)
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class LoopbackHandler(BaseHTTPRequestHandler):
    """Handler of requests that reads a body and sends an answer by one call each, and prints nothing."""

    def read_body(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] = _NONE) -> None:
        """Send an answer: the head, then the body.

        Args:
            status: of HTTP.
            body: content.
            headers: further ones than the body's length.
        """
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running(server: Server) -> Generator[Server]:
    """Run a server on a thread of its own, and close it afterwards."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Generator[int]:
    """Run a server with a thread for each connection.

    Args:
        handler: class that answers the requests.

    Yields:
        Its port.
    """
    with running(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield server.server_port
