"""Benchmark: how far MLflow falls behind in an outage with Kafka before it, and how soon it has caught up.

`python -m benchmarks.kafka_outage`. A program sends spans at a constant rate; MLflow's server is suspended, then
resumed, while the program goes on.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from benchmarks.bridge_load import requests_of, send
from benchmarks.environments import ROOT
from benchmarks.kafka_pipe import PACKAGES, pipe
from benchmarks.results import pinned, save, table

if TYPE_CHECKING:
    from benchmarks.kafka_pipe import Pipe
    from benchmarks.results import Row

BEFORE: Final = 60.0
"""Seconds of load before the outage: the lag that is normal, and time for MLflow's first requests."""
_BATCH: Final = 16
"""Spans of a request: few, so that the rate is even."""
_WAIT: Final = 900.0
"""Seconds that catching up may take."""


@dataclass
class Load:
    """A program that sends at a constant rate until it is stopped."""

    agent: str
    rate: float
    sent: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Send one optimization after the other."""
        began = time.monotonic()
        program = 0
        while True:
            program += 1
            for request in requests_of(program, 1, batch=_BATCH):
                if self._stopped.wait(max(0.0, began + self.sent / self.rate - time.monotonic())):
                    return
                self.sent += send(self.agent, [request], {})

    def stop(self) -> None:
        """Send no more requests."""
        self._stopped.set()


def most_behind(built: Pipe, load: Load, seconds: float) -> int:
    """The largest number of spans that are sent and not stored, over some seconds."""
    deadline = time.monotonic() + seconds
    most = 0
    while time.monotonic() < deadline:
        most = max(most, load.sent - built.stored())
        time.sleep(0.5)
    return most


def outage(rate: float, away: float) -> Row:
    """Suspend MLflow for some seconds; return what that did.

    Raises:
        TimeoutError: MLflow has not caught up, or does not have every span, in time.
    """
    with pipe() as built:
        load = Load(built.agent, rate)
        sender = threading.Thread(target=load.run, daemon=True)
        sender.start()
        time.sleep(BEFORE / 2)
        normal = most_behind(built, load, BEFORE / 2)
        os.killpg(built.server.group, signal.SIGSTOP)
        try:
            behind = most_behind(built, load, away)
        finally:
            os.killpg(built.server.group, signal.SIGCONT)
        resumed, stored = time.monotonic(), built.stored()
        while load.sent - built.stored() > normal:
            if time.monotonic() - resumed > _WAIT:
                raise TimeoutError(f"{load.sent - built.stored()} spans behind after {_WAIT:.0f} s")
            time.sleep(0.5)
        seconds, caught_up = time.monotonic() - resumed, built.stored()
        load.stop()
        sender.join()
        while built.stored() < load.sent:
            if time.monotonic() - resumed > _WAIT:
                raise TimeoutError(f"{built.stored()} of {load.sent} spans are stored")
            time.sleep(0.5)
        return {
            "spans sent a second": rate,
            "MLflow away, s": away,
            "spans behind before": normal,
            "spans behind at its end": behind,
            "caught up after, s": round(seconds),
            "spans stored a second meanwhile": round((caught_up - stored) / seconds),
            "spans sent": load.sent,
            "lost": load.sent - built.stored(),
        }


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="spans a second that the program sends")
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the outage")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    try:
        rows = [outage(options.rate, options.seconds)]
    except pytest.skip.Exception as reason:
        print(f"skipped: {reason}")
        return
    print(table(rows), f"load average: {os.getloadavg()[0]:.0f}", flush=True)
    if options.keep:
        save("kafka_outage", rows, pinned(PACKAGES, ROOT / "requirements" / "dev.txt"))


if __name__ == "__main__":
    main()
