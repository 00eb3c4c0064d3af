"""Benchmark: write throughput of `otel-dspy bridge`, compared with MLflow's own OTLP ingestion.

`python -m benchmarks.bridge`. Programs are optimizations: trials of 100 examples, three spans an example. Each sends
its requests in order and waits for each answer, at a bridge of its own as far as there are enough, as behind a load
balancer that routes by `dspy.compile.id`. With a queue on disk, a bridge acknowledges a request before MLflow has it;
the rate is that until MLflow has all. Each writer, MLflow's server too, has written an optimization before: what a
process imports for its first request, once, is not part of a rate. CPU time is that of the server and the bridges,
without the database: other work on the machine disturbs it less than a rate.

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
from benchmarks.processes import cpu_seconds
from benchmarks.results import pinned, save, table
from otel_dspy.mlflow.tracking.runs.description_tag import DESCRIBED
from tests.support.bridge_process import bridge_process
from tests.support.latency_proxy import latency_proxy
from tests.support.mlflow_server import WITH_APP, free_port, mlflow_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.bridge_load import Request
    from benchmarks.results import Row

PROGRAMS: Final = 4
BRIDGES: Final = (1, 2, 4)
WARM_UP: Final = 30.0
"""Seconds to wait for the report on a bridge's first optimization."""
PLACES: Final = {"server": "", "app": ", to a server with the app", "database": ", on the database"}
"""What a bridge writes to, as the table names it."""
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


def warm_up(client: mlflow.MlflowClient, experiment: str, addresses: Sequence[str], programs: Iterator[int]) -> None:
    """Send an optimization of one trial to each bridge, and wait for the report on it.

    Args:
        client: of the MLflow that they write to.
        experiment: name of the bridges' experiment.
        addresses: the bridges.
        programs: numbers of programs.
    """
    described = f"tags.`{DESCRIBED}` != ''"
    deadline = time.monotonic() + WARM_UP
    for address in addresses:
        send(address, list(requests_of(next(programs), 1)), {})
    while time.monotonic() < deadline:
        found = client.get_experiment_by_name(experiment)
        if found is not None and len(client.search_runs([found.experiment_id], described)) == len(addresses):
            return
        time.sleep(0.2)


def speed(backend: str, options: argparse.Namespace) -> list[Row]:
    """Return a row per writer, on one server and one store.

    Args:
        backend: `sqlite` or `postgresql`.
        options: of the command.
    """
    trials: int = options.trials
    round_trip: float = options.round_trip
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
        workers = ("--workers", str(options.workers))
        server = stack.enter_context(mlflow_server(folder, backend=store, options=workers, forked=False))
        client = mlflow.MlflowClient(server.uri)
        bare = {"x-mlflow-experiment-id": client.create_experiment("bare")}

        def measure(
            writer: str,
            addresses: Sequence[str],
            headers: Mapping[str, str],
            *,
            queue: bool = False,
            processes: Sequence[int],
        ) -> None:
            encoded = [list(requests_of(program, trials)) for program in islice(programs, PROGRAMS)]
            before = cpu_seconds(*processes)
            found, seconds = rate(addresses, encoded, headers, queue=queue)
            cpu = cpu_seconds(*processes) - before
            own = rows[0]["spans a second"] if rows else round(found)
            spans = sum(count for one in encoded for count, _ in one)
            rows.append(
                {
                    "backend": backend,
                    "writer": writer,
                    "spans": spans,
                    "spans a second": round(found),
                    "of MLflow's own ingest": round(found / own, 2),
                    "CPU, ms a span": round(1000 * cpu / spans, 1),
                    "acknowledged after, ms (median)": round(1000 * seconds[len(seconds) // 2]),
                    "(longest)": round(1000 * seconds[-1]),
                }
            )
            print(table(rows[-1:]), flush=True)

        for _ in range(2 * options.workers):  # each worker takes some of them
            send(server.uri, list(requests_of(next(programs), 1)), bare)
        measure("MLflow's own ingest", [server.uri], bare, processes=[server.group])
        servers = {"server": server, "database": server}
        if "app" in options.to:
            (folder / "app").mkdir()
            with_app = (*workers, *WITH_APP)
            servers["app"] = stack.enter_context(
                mlflow_server(folder / "app", backend=store, options=with_app, forked=False)
            )
        uris = {to: one.uri for to, one in servers.items()} | {"database": database}
        clients = {to: mlflow.MlflowClient(one.uri) for to, one in servers.items()}
        places: Sequence[str] = ("database",) if round_trip else options.to
        for count, queue, to in product(options.bridges, (False, True), places):
            name = f"bridges: {count}{PLACES[to]}{', with a queue' if queue else ''}"
            client = clients[to]
            if to == "database":  # by default the files would be below the working directory
                client.create_experiment(name, (folder / "files" / name).as_uri())
            with ExitStack() as several:
                running = [
                    several.enter_context(
                        bridge_process(
                            uris[to],
                            name,
                            free_port(),
                            forked=False,
                            queue=str(folder / name / str(number)) if queue else "none",
                        )
                    )
                    for number in range(count)
                ]
                addresses = [bridge.http for bridge in running]
                warm_up(client, name, addresses, programs)
                processes = [servers[to].group, *(bridge.process.pid for bridge in running)]
                measure(name, addresses, {}, queue=queue, processes=processes)
    return rows


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=3, help="number of trials of each program")
    parser.add_argument("--bridges", type=int, nargs="*", default=BRIDGES, help="numbers of bridges to measure")
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--to", choices=("server", "app", "database"), nargs="*", default=["server", "database"])
    parser.add_argument("--workers", type=int, default=1, help="processes of `mlflow server`")
    parser.add_argument("--round-trip", type=float, default=0, help="milliseconds to PostgreSQL; not for sqlite")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    rows: list[Row] = []
    for backend in options.backend:
        if backend == "postgresql" and binaries() is None:
            print("PostgreSQL is not installed: skipped")
            continue
        rows += speed(backend, options)
    if options.keep:
        save("bridge", rows, pinned(_PACKAGES, ROOT / "requirements" / "dev.txt"))


if __name__ == "__main__":
    main()
