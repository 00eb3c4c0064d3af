"""The limit of requests at the same time against simulated servers: distant, busy, and one that rejects requests."""

from __future__ import annotations

import pytest

from otel_dspy.mlflow.tracking.requests.concurrency_limit import ConcurrencyLimit
from tests.support.simulated_server import SimulatedServer, send

MOST = 10
COUNT = 300
RAMP = 1.0
"""Seconds until a server 150 ms away has as many requests as it may have: six round trips."""


@pytest.mark.parametrize("handling", [0.001, 0.005, 0.015, 0.03])
@pytest.mark.parametrize("round_trip", [0.0, 0.01, 0.05, 0.15])
def test_a_server_is_kept_busy(round_trip: float, handling: float) -> None:
    """Near or distant, requests take little longer than the server, or the round trips of ten connections, need."""
    sent = send(SimulatedServer(round_trip, handling), ConcurrencyLimit(MOST), COUNT)
    needed = max(COUNT * handling, COUNT * (round_trip + handling) / MOST)
    assert sent.rejected == 0
    assert sent.seconds <= 1.05 * needed + RAMP * round_trip / 0.15


def test_where_the_latency_is_the_limit_all_connections_are_used() -> None:
    """150 ms away, 1 ms each: ten from the first second on."""
    sent = send(SimulatedServer(0.15, 0.001), ConcurrencyLimit(MOST), COUNT)
    assert set(sent.limits[3 * MOST :]) == {MOST}


@pytest.mark.parametrize("handling", [0.005, 0.015, 0.03])
def test_where_the_server_is_the_limit_few_requests_wait_in_it(handling: float) -> None:
    """Nearby, one is handled and one waits."""
    sent = send(SimulatedServer(0.0, handling), ConcurrencyLimit(MOST), COUNT)
    assert max(sent.waiting[6 * MOST :]) <= 2


@pytest.mark.parametrize("round_trip", [0.0, 0.05, 0.15])
def test_rejections_are_few(round_trip: float) -> None:
    """A server that answers 503 to more than four at once rejects one in ten at most, and gets two to six."""
    sent = send(SimulatedServer(round_trip, 0.1, most=4, parallel=True), ConcurrencyLimit(MOST), COUNT)
    assert 0 < sent.rejected <= COUNT // 10
    assert all(2 <= limit <= 6 for limit in sent.limits[3 * MOST :])
