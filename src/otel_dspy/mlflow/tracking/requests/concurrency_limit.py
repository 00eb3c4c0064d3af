"""Number of requests to send to a server at the same time, derived from their latency."""

from __future__ import annotations

import statistics
from typing import Final

FEWEST: Final = 2
"""Limit that latency does not reduce: one request waits in the server while this process computes the next."""
TOLERANCE: Final = 1.5
"""Multiple of the shortest latency up to which no request counts as waiting in the server."""
LEAST: Final = 0.5
"""Least factor by which slower requests shrink the limit at once."""


class ConcurrencyLimit:
    """Limit that follows the latency, as in Netflix' `concurrency-limits` (`GradientLimit`).

    The limit grows by one with each request that is accepted, so that it doubles in a round trip (TCP's slow start),
    until the median latency of as many requests as it was exceeds `TOLERANCE` times the shortest one. From then on it
    is multiplied by the quotient of the two, and grows by one; a failure halves it. A server that handles one request
    at a time gets two, also after one answer that was faster than all others; a distant one gets as many as are on
    their way during a round trip, at most `most`. Not thread-safe.

    Attributes:
        now: the limit.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = 1
        self._slow_start = True
        self._shortest = float("inf")
        self._before = 1
        """The limit when the first of `_latencies` was recorded or before."""
        self._latencies: list[float] = []

    def accepted(self, latency: float) -> None:
        """Record a request that the server has accepted.

        Args:
            latency: its seconds, without those to open a connection.
        """
        if self._slow_start:
            self.now = min(self.now + 1, self._most)
        self._shortest = min(self._shortest, latency)
        self._latencies.append(latency)
        if len(self._latencies) < self._before:
            return
        median = statistics.median(self._latencies)
        gradient = TOLERANCE * self._shortest / median if median else 1.0
        self._slow_start = self._slow_start and gradient >= 1
        if not self._slow_start:
            fewest = min(FEWEST, self._before + 1)
            self.now = min(max(fewest, int(self._before * max(LEAST, min(1.0, gradient))) + 1), self._most)
        self._begin()

    def failed(self) -> None:
        """Record a request that the server has not accepted."""
        self.now = max(1, self.now // 2)
        self._slow_start = False
        self._begin()

    def _begin(self) -> None:
        self._latencies.clear()
        self._before = self.now
