"""A simulated distant server, and a client that sends it as many requests as a `ConcurrencyLimit` allows."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from otel_dspy.mlflow.tracking.requests.concurrency_limit import ConcurrencyLimit

PAUSE = 0.25
"""Seconds that the client pauses after a rejected request."""


@dataclass(frozen=True, slots=True)
class SimulatedServer:
    """A server.

    Attributes:
        round_trip: seconds of a round trip.
        handling: seconds of a request.
        most: requests in the server beyond which it rejects further ones.
        parallel: whether it handles all of them at the same time, else one after the other.
    """

    round_trip: float
    handling: float
    most: int = 1_000
    parallel: bool = False


@dataclass(slots=True)
class Sent:
    """What became of a client's requests.

    Attributes:
        seconds: until the last was accepted.
        rejected: number of rejections.
        limits: the limit after each answer.
        waiting: requests in the server when one more arrived.
    """

    seconds: float = 0.0
    rejected: int = 0
    limits: list[int] = field(default_factory=list[int])
    waiting: list[int] = field(default_factory=list[int])


_Kind = Literal["arrives", "is handled", "is accepted", "is rejected"]


def send(server: SimulatedServer, limit: ConcurrencyLimit, count: int) -> Sent:
    """Send requests until `count` are accepted. The first one of each connection opens it and is not measured."""
    sent = Sent()
    events: list[tuple[float, int, _Kind, float, bool]] = []
    left, in_flight, connections, in_server, free, number = count, 0, 0, 0, 0.0, 0

    def add(at: float, kind: _Kind, began: float, *, measured: bool) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (at, number, kind, began, measured))

    def begin(now: float) -> None:
        nonlocal left, in_flight, connections
        while left and in_flight < limit.now:
            left, in_flight = left - 1, in_flight + 1
            opens = in_flight > connections
            connections = max(connections, in_flight)
            add(now + server.round_trip * (1.5 if opens else 0.5), "arrives", now, measured=not opens)

    begin(0.0)
    while events:
        now, _, kind, began, measured = heapq.heappop(events)
        if kind == "arrives":
            sent.waiting.append(in_server)
            if in_server >= server.most:
                add(now + server.round_trip / 2, "is rejected", began, measured=measured)
                continue
            in_server += 1
            free = (now if server.parallel else max(free, now)) + server.handling
            add(free, "is handled", began, measured=measured)
        elif kind == "is handled":
            in_server -= 1
            add(now + server.round_trip / 2, "is accepted", began, measured=measured)
        else:
            in_flight -= 1
            sent.seconds = now
            if kind == "is rejected":
                left, sent.rejected = left + 1, sent.rejected + 1
                limit.failed()
                begin(now + PAUSE)
            else:
                if measured:
                    limit.accepted(now - began)
                begin(now)
            sent.limits.append(limit.now)
    return sent
