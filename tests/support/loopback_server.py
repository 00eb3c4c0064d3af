"""HTTP servers that run on loopback for the duration of a block."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import HTTPServer, ThreadingHTTPServer
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator
    from http.server import BaseHTTPRequestHandler

Server = TypeVar("Server", bound=HTTPServer)


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
