"""Benchmark: resident memory of a bridge while it writes, and while MLflow is suspended and clients keep sending.

`python -m benchmarks.bridge_memory`.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import requests

from benchmarks.bridge_load import post, requests_of, send
from benchmarks.environments import ROOT
from benchmarks.processes import resident
from benchmarks.results import pinned, save, table
from tests.support.bridge_process import bridge_process
from tests.support.mlflow_server import free_port, mlflow_server

if TYPE_CHECKING:
    from benchmarks.results import Row

FLOOD_SENDERS: Final = 8
FLOOD_SECONDS: Final = 30.0
_PACKAGES: Final = ("mlflow", "opentelemetry-sdk", "uvicorn")


def memory(spans: int, steps: int, seconds: float) -> Row:
    """One bridge that writes so many spans, for so many seconds at most: its memory, in MiB, by spans written.

    `steps`: modules that an example calls, as in `requests_of`.
    """
    found: list[tuple[int, float]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(mlflow_server(folder, forked=False))
        bridge = stack.enter_context(bridge_process(server.uri, "memory", free_port(), forked=False))
        began, sent, program = time.monotonic(), 0, 0
        while sent < spans and time.monotonic() - began < seconds:
            program += 1
            for request in requests_of(program, 20 if steps == 1 else 2, steps):
                sent += send(bridge.http, [request], {})
                found.append((sent, resident(bridge.process.pid)))
    early = next(mib for count, mib in found if count >= sent / 10)
    return {
        "case": f"MLflow up, one program after the other, {1 + 2 * steps} spans an example",
        "spans": sent,
        "MiB at a tenth": round(early),
        "MiB at the end": round(found[-1][1]),
        "most": round(max(mib for _, mib in found)),
        "taken": sent,
        "sent away": 0,
        "memory": found[:: max(1, len(found) // 100)],
    }


def flood(seconds: float) -> Row:
    """A bridge whose MLflow does not answer, and senders that never wait: its resident memory, in MiB."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(mlflow_server(folder, forked=False))
        bridge = stack.enter_context(bridge_process(server.uri, "flood", free_port(), patience=2, forked=False))
        send(bridge.http, list(requests_of(1, 1)), {})
        found = [(0, resident(bridge.process.pid))]
        # Protobuf messages one after the other are one message: a large request.
        body = b"".join(body for _, body in requests_of(2, 60))
        os.killpg(server.group, signal.SIGSTOP)
        began = time.monotonic()
        statuses: list[int] = []

        def sender(_: int) -> None:
            session = requests.Session()
            while time.monotonic() - began < seconds:
                answer = post(session, bridge.http, body, {})
                statuses.append(answer.status_code)
                found.append((len(statuses), resident(bridge.process.pid)))

        try:
            with ThreadPoolExecutor(FLOOD_SENDERS) as pool:
                list(pool.map(sender, range(FLOOD_SENDERS)))
        finally:
            os.killpg(server.group, signal.SIGCONT)
    return {
        "case": f"MLflow does not answer, {FLOOD_SENDERS} senders, requests of {len(body) / 2**20:.1f} MiB",
        "spans": 0,
        "MiB at a tenth": round(found[len(found) // 10][1]),
        "MiB at the end": round(found[-1][1]),
        "most": round(max(mib for _, mib in found)),
        "taken": sum(status == requests.codes.ok for status in statuses),
        "sent away": sum(status == requests.codes.unavailable for status in statuses),
        "memory": [],
    }


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=100_000, help="spans written while MLflow is up")
    parser.add_argument("--steps", type=int, default=1, help="modules that an example calls, two spans each")
    parser.add_argument("--seconds", type=float, default=3600, help="stop writing after so long")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    rows = [flood(FLOOD_SECONDS), memory(options.spans, options.steps, options.seconds)]
    print(table([{name: value for name, value in row.items() if name != "memory"} for row in rows]))
    if options.keep:
        save("bridge_memory", rows, pinned(_PACKAGES, ROOT / "requirements" / "dev.txt"))


if __name__ == "__main__":
    main()
