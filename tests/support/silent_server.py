"""Server that accepts connections and never responds, like a suspended process."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class SilentServer:
    """Listens on a free port of the loopback interface."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        """Those that clients have made."""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self.connections.append(self._socket.accept()[0])
            except OSError:  # closed
                return

    def close(self) -> None:
        """End, with all connections."""
        for connection in [self._socket, *self.connections]:
            connection.close()


@contextmanager
def silent_server() -> Generator[SilentServer]:
    """One for as long as the block lasts."""
    server = SilentServer()
    try:
        yield server
    finally:
        server.close()
