"""Benchmark: write throughput of `otel-dspy bridge`, compared with MLflow's own OTLP ingestion.

`python -m benchmarks.bridge`. Programs are optimizations: trials of 100 examples, three spans an example. Each sends
its requests in order and waits for each answer, at a bridge of its own as far as there are enough, as behind a load
balancer that routes by `dspy.compile.id`. With a queue on disk, a bridge acknowledges a request before MLflow has it;
the rate is that until MLflow has all.

`--round-trip MS` puts a proxy before PostgreSQL that delays each statement, for MLflow and the bridges alike: the
database is then the limit and not the CPU. Bridges on the database alone are measured.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle, islice, product, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import mlflow

from benchmarks.bridge_load import metric, requests_of, send
from benchmarks.environments import ROOT
from benchmarks.postgres import binaries, postgres
from benchmarks.results import pinned, save, table
from tests.support.bridge_process import bridge_process
from tests.support.latency_proxy import latency_proxy
from tests.support.mlflow_server import free_port, mlflow_server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.bridge_load import Request
    from benchmarks.results import Row

PROGRAMS: Final = 4
BRIDGES: Final = (1, 2, 4)
_PACKAGES: Final = ("mlflow", "opentelemetry-sdk", "uvicorn", "psycopg2-binary")


def rate(
    addresses: Sequence[str], encoded: Sequence[Sequence[Request]], headers: Mapping[str, str], *, queue: bool
) -> tuple[float, list[float]]:
    """Return spans per second until MLflow has the last one, and the seconds until each request was acknowledged.

    Args:
        addresses: writers, each for some of the programs.
        encoded: each program's requests; all programs send at once.
        headers: of each request.
        queue: the writers are bridges with a queue.
    """
    began, seconds = time.perf_counter(), list[float]()
    with ThreadPoolExecutor(len(encoded)) as pool:
        sent = sum(pool.map(send, cycle(addresses), encoded, repeat(headers), repeat(seconds)))
    while queue and any(metric(address, "otel_dspy_bridge_queue_requests") for address in addresses):
        time.sleep(0.1)
    return sent / (time.perf_counter() - began), sorted(seconds)


def speed(backend: str, trials: int, bridges: Sequence[int], round_trip: float) -> list[Row]:
    """Return a row per writer, on one server and one store; `round_trip` in milliseconds, see the module."""
    rows: list[Row] = []
    programs = iter(range(1, 10_000))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(postgres()) if backend == "postgresql" else None
        if store is not None and round_trip:
            place = urlsplit(store).netloc.rpartition("@")[2]
            proxy = stack.enter_context(latency_proxy(f"http://{place}", round_trip / 1000))
            store = store.replace(place, urlsplit(proxy).netloc)
        database = store or f"sqlite:///{folder / 'mlflow.db'}"
        server = stack.enter_context(mlflow_server(folder, backend=store, forked=False))
        experiment = mlflow.MlflowClient(server.uri).create_experiment("bare")

        def measure(writer: str, addresses: Sequence[str], headers: Mapping[str, str], *, queue: bool = False) -> None:
            encoded = [list(requests_of(program, trials)) for program in islice(programs, PROGRAMS)]
            found, seconds = rate(addresses, encoded, headers, queue=queue)
            bare = rows[0]["spans a second"] if rows else round(found)
            spans = sum(count for one in encoded for count, _ in one)
            rows.append(
                {
                    "backend": backend,
                    "writer": writer,
                    "spans": spans,
                    "spans a second": round(found),
                    "of MLflow's own ingest": round(found / bare, 2),
                    "acknowledged after, ms (median)": round(1000 * seconds[len(seconds) // 2]),
                    "(longest)": round(1000 * seconds[-1]),
                }
            )
            print(table(rows[-1:]), flush=True)

        measure("MLflow's own ingest", [server.uri], {"x-mlflow-experiment-id": experiment})
        for count, queue, uri in product(bridges, (False, True), (database,) if round_trip else (server.uri, database)):
            directly = ", on the database" if uri == database else ""
            name = f"bridges: {count}{directly}{', with a queue' if queue else ''}"
            if directly:  # by default the files would be below the working directory
                mlflow.MlflowClient(server.uri).create_experiment(name, (folder / "files" / name).as_uri())
            with ExitStack() as several:
                running = [
                    several.enter_context(
                        bridge_process(
                            uri,
                            name,
                            free_port(),
                            forked=False,
                            queue=str(folder / name / str(number)) if queue else "none",
                        )
                    )
                    for number in range(count)
                ]
                measure(name, [bridge.http for bridge in running], {}, queue=queue)
    return rows


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=3, help="number of trials of each program")
    parser.add_argument("--bridges", type=int, nargs="*", default=BRIDGES, help="numbers of bridges to measure")
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--round-trip", type=float, default=0, help="milliseconds to PostgreSQL; not for sqlite")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    rows: list[Row] = []
    for backend in options.backend:
        if backend == "postgresql" and binaries() is None:
            print("PostgreSQL is not installed: skipped")
            continue
        rows += speed(backend, options.trials, options.bridges, options.round_trip)
    if options.keep:
        save("bridge", rows, pinned(_PACKAGES, ROOT / "requirements" / "dev.txt"))


if __name__ == "__main__":
    main()
