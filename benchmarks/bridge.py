"""Benchmark: write throughput of `otel-dspy bridge`, compared with MLflow's own OTLP ingestion.

`python -m benchmarks.bridge`. Programs are optimizations: trials of 100 examples, three spans an example. Each sends
its requests in order and waits for each answer, at a bridge of its own as far as there are enough, as behind a load
balancer that routes by `dspy.compile.id`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import mlflow

from benchmarks.bridge_load import requests_of, send
from benchmarks.environments import ROOT
from benchmarks.postgres import binaries, postgres
from benchmarks.results import pinned, save, table
from tests.support.bridge_process import bridge_process
from tests.support.mlflow_server import free_port, mlflow_server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.bridge_load import Request
    from benchmarks.results import Row

PROGRAMS: Final = 4
BRIDGES: Final = (1, 2, 4)
_PACKAGES: Final = ("mlflow", "opentelemetry-sdk", "uvicorn", "psycopg2-binary")


def rate(addresses: Sequence[str], encoded: Sequence[Sequence[Request]], headers: Mapping[str, str]) -> float:
    """Return spans per second until the last one is acknowledged, with all programs at once."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(encoded)) as pool:
        sent = pool.map(send, cycle(addresses), encoded, repeat(headers))
        return sum(sent) / (time.perf_counter() - began)


def speed(backend: str, trials: int) -> list[Row]:
    """Return a row per writer, on one server and one store."""
    rows: list[Row] = []
    programs = iter(range(1, 10_000))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(postgres()) if backend == "postgresql" else None
        server = stack.enter_context(mlflow_server(folder, backend=store))
        experiment = mlflow.MlflowClient(server.uri).create_experiment("bare")

        def measure(writer: str, addresses: Sequence[str], headers: Mapping[str, str]) -> None:
            encoded = [list(requests_of(program, trials)) for program in islice(programs, PROGRAMS)]
            found = rate(addresses, encoded, headers)
            bare = rows[0]["spans a second"] if rows else round(found)
            spans = sum(count for one in encoded for count, _ in one)
            rows.append(
                {
                    "backend": backend,
                    "writer": writer,
                    "spans": spans,
                    "spans a second": round(found),
                    "of MLflow's own ingest": round(found / bare, 2),
                }
            )
            print(table(rows[-1:]), flush=True)

        measure("MLflow's own ingest", [server.uri], {"x-mlflow-experiment-id": experiment})
        for count in BRIDGES:
            with ExitStack() as several:
                bridges = [
                    several.enter_context(bridge_process(server.uri, f"bridges {count}", free_port()))
                    for _ in range(count)
                ]
                measure(f"bridges: {count}", [bridge.http for bridge in bridges], {})
    return rows


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=3, help="number of trials of each program")
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    rows: list[Row] = []
    for backend in options.backend:
        if backend == "postgresql" and binaries() is None:
            print("PostgreSQL is not installed: skipped")
            continue
        rows += speed(backend, options.trials)
    if options.keep:
        save("bridge", rows, pinned(_PACKAGES, ROOT / "requirements" / "dev.txt"))


if __name__ == "__main__":
    main()
