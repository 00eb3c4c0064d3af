"""An HTTP server that answers every request with the same status."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.loopback_server import LoopbackHandler, serving

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def listening(status: int = 200, *, healthy: bool = False, body: bytes = b"") -> Generator[int]:
    """A server that answers everything with this status and body, of its health with 200 if `healthy`; its port."""

    class Handler(LoopbackHandler):
        def do_GET(self) -> None:
            self.answer(200 if healthy and self.path == "/health" else status, body)

        do_POST = do_GET

    with serving(Handler) as port:
        yield port
