"""HTTP proxy in front of a server that returns errors or closes connections a given number of times."""

from __future__ import annotations

import http.client
import random
import socket
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from tests.support.loopback_server import LoopbackHandler, running

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

REFUSALS = {"404": 404, "429": 429, "500": 500, "502": 502, "503": 503, "504": 504}
"""Faults that are an answer of the proxy's own; the server receives nothing."""
CUT_BEFORE = "cut before"
"""The connection ends and the server receives nothing."""
CUT_AFTER = "cut after"
"""The server has done what it was asked, and its answer is lost."""
FAULTS = (*(name for name in REFUSALS if name != "404"), CUT_BEFORE, CUT_AFTER)
RETRY_AFTER = 1
"""Seconds that a 429 asks for."""
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class FaultyProxy(ThreadingHTTPServer):
    """Forwards to `target`; each request suffers one of `faults` with the probability `share`.

    Each of the faults comes once before any of them comes again, so that few requests are enough to suffer all.
    """

    daemon_threads = True

    def __init__(self, target: str, faults: Sequence[str], share: float, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target).netloc
        self.faults = faults
        self.share = share
        self.suffered: Counter[str] = Counter()
        self.requests: list[tuple[str, str]] = []
        """(method and path, what was suffered or `passed`), in order."""
        self._chance = random.Random(seed)  # noqa: S311 - chance, no secret
        self._ahead: list[str] = []
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fate(self, request: str) -> str | None:
        """What the next request suffers."""
        with self._lock:
            found = self._next_fault() if self._chance.random() < self.share else None
            self.suffered[found or "passed"] += 1
            self.requests.append((request, found or "passed"))
            return found

    def _next_fault(self) -> str:
        if not self._ahead:
            self._ahead = self._chance.sample(self.faults, len(self.faults))
        return self._ahead.pop()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: broken connections are what this is for."""


class _Handler(LoopbackHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _proxy(self) -> FaultyProxy:
        return cast("FaultyProxy", self.server)

    def _serve(self) -> None:
        body = self.read_body()
        fault = self._proxy.fate(f"{self.command} {self.path}")
        if fault in REFUSALS:
            self.answer(REFUSALS[fault], b"no", {"Retry-After": str(RETRY_AFTER)} if fault == "429" else {})
        elif fault == CUT_BEFORE:
            self._cut()
        else:
            status, headers, content = self._forward(body)
            if fault == CUT_AFTER:
                self._cut()
            else:
                self.answer(status, content, headers)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._proxy.target, timeout=120)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
        return answer.status, kept, content

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def faulty_proxy(target: str, *, faults: Sequence[str] = FAULTS, share: float, seed: int = 1) -> Generator[FaultyProxy]:
    """A proxy for as long as the block lasts."""
    with running(FaultyProxy(target, faults, share, seed)) as proxy:
        yield proxy
