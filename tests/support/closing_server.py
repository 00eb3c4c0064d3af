"""An HTTP server that closes connections which have been idle for a while, as uvicorn does after 5 s."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.loopback_server import LoopbackHandler, serving

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

    class Handler(LoopbackHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.read_body()
            self.answer(200)
            self.connection.settimeout(idle)  # only now: the first request may arrive later than its connection

    with serving(Handler) as port:
        yield port
