"""Benchmark: requests of a bridge to an `mlflow server`, by kind, and the least that MLflow's API allows.

`python -m benchmarks.server_requests`. A bridge's pipeline runs in this process, without its intake: four optimizations
take turns, with an OTLP request each in a commit. The server's time for a kind of request is CPU time, of requests
during which no other was in flight. The same OTLP requests go to MLflow's own `/v1/traces`. Then a bare HTTP client
sends what MLflow's API needs for the same traces, the requests with infos and those with spans, to another server.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import repeat, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import mlflow
import requests
from requests.adapters import HTTPAdapter

from benchmarks.bridge_load import requests_of, send
from benchmarks.results import table
from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.bridge.multi_writer.multi_writer_pipeline import MultiWriterPipeline
from otel_dspy.bridge.pending_request import PendingRequest
from tests.support.mlflow_server import mlflow_server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from benchmarks.results import Row
    from tests.support.mlflow_server import MlflowServer

PROGRAMS: Final = 4
AT_ONCE: Final = (1, 2, 4, 10)
"""Requests that the bare client sends at the same time."""
_GROUP: Final = 2
"""Field of `/proc/PID/stat` after the command's name: the process group."""
_CPUCLOCK_SCHED: Final = 2
_ID: Final = re.compile(r"/[0-9a-f]{32}|/tr-[0-9a-f]{32}|/m-[0-9a-f]{32}|/\d+(?=/|$)")
NEEDED: Final = ("POST /v1/traces", "POST /api/3.0/mlflow/traces")
"""Kinds of requests that write infos and spans."""
BARE: Final = "bare"
"""Experiment of MLflow's own ingest."""


@dataclass(slots=True)
class Sent:
    """A request that was answered.

    Attributes:
        kind: method and path, without ids.
        began: seconds.
        seconds: until its answer was read.
        size: bytes of its body.
        answer: bytes of the answer.
        cpu: CPU seconds of the server meanwhile; None if another request was in flight.
        prepared: the request.
    """

    kind: str
    began: float
    seconds: float
    size: int
    answer: int
    cpu: float | None
    prepared: requests.PreparedRequest


class Processes:
    """Processes of a server."""

    def __init__(self, group: int) -> None:
        """Find them (Linux).

        Args:
            group: their process group.
        """
        found: list[int] = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has ended
                if int(stat.read_text().rpartition(")")[2].split()[_GROUP]) == group:
                    found.append(int(stat.parent.name))
        # What `clock_getcpuclockid` returns for a process (Linux).
        self._clocks = [(~process << 3) | _CPUCLOCK_SCHED for process in found]

    def cpu(self) -> float:
        """Return the CPU seconds that they have spent."""
        return sum(map(time.clock_gettime, self._clocks))


@contextmanager
def recorded(server: Processes) -> Generator[list[Sent]]:
    """Record the requests of this process within the block.

    Args:
        server: the server.
    """
    found: list[Sent] = []
    lock, flights, begun = threading.Lock(), [0], [0]
    adapters: Any = HTTPAdapter
    original = adapters.send

    def adapter_send(adapter: Any, prepared: Any, *args: Any, **kwargs: Any) -> Any:
        with lock:
            flights[0] += 1
            begun[0] += 1
            alone, number = flights[0] == 1, begun[0]
        before = server.cpu() if alone else 0.0
        began = time.perf_counter()
        try:
            answer = original(adapter, prepared, *args, **kwargs)
            content = answer.content
        finally:
            seconds = time.perf_counter() - began
            with lock:
                flights[0] -= 1
                alone = alone and begun[0] == number
        cpu = server.cpu() - before if alone else None
        kind = f"{prepared.method} {_ID.sub('/ID', urlsplit(str(prepared.url)).path)}"
        found.append(
            Sent(kind, began, seconds, int(prepared.headers.get("Content-Length", 0)), len(content), cpu, prepared)
        )
        return answer

    adapters.send = adapter_send
    try:
        yield found
    finally:
        adapters.send = original


def write(pipeline: MultiWriterPipeline, experiments: ExperimentRouter, programs: Iterable[Iterable[bytes]]) -> int:
    """Write optimizations, the next request of each in a commit; return the number of spans."""
    spans = 0
    for bodies in zip_longest(*programs):
        for body in bodies:
            if body is None:
                continue
            request = PendingRequest(body, json=False, experiment=None, workspace=None, experiments=experiments)
            request.check()
            for span, route in request:
                pipeline.process(span, route)
                spans += 1
        pipeline.send_all(busy=True)
    return spans


def kinds(sent: Sequence[Sent], traces: int) -> list[Row]:
    """Return a row for each kind of request."""
    by_kind: defaultdict[str, list[Sent]] = defaultdict(list)
    for one in sent:
        by_kind[one.kind].append(one)
    rows: list[Row] = []
    for kind, some in sorted(by_kind.items(), key=lambda item: -sum(one.seconds for one in item[1])):
        cpus = [one.cpu for one in some if one.cpu is not None]
        rows.append(
            {
                "request": kind,
                "number": len(some),
                "a trace": round(len(some) / traces, 3),
                "KB": round(sum(one.size for one in some) / 1000),
                "KB answered": round(sum(one.answer for one in some) / 1000),
                "s": round(sum(one.seconds for one in some), 2),
                "ms each": round(1000 * sum(one.seconds for one in some) / len(some), 1),
                "server's CPU, ms each": round(1000 * sum(cpus) / len(cpus), 1) if cpus else "",
            }
        )
    return rows


def covered(sent: Sequence[Sent]) -> float:
    """Return the seconds in which at least one request was in flight."""
    total, until = 0.0, 0.0
    for one in sorted(sent, key=lambda one: one.began):
        end = one.began + one.seconds
        total += max(0.0, end - max(until, one.began))
        until = max(until, end)
    return total


def bare(uri: str, needed: Sequence[requests.PreparedRequest], at_once: int) -> None:
    """Send recorded requests again, as fast as the server answers.

    Args:
        uri: a server that has none of the traces.
        needed: the requests.
        at_once: number of requests at the same time.
    """
    local = threading.local()

    def again(recorded: Any) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env = False
        prepared = recorded.copy()
        prepared.url = uri + urlsplit(str(recorded.url)).path
        local.session.send(prepared).raise_for_status()

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(again, needed))


def started(stack: ExitStack, workers: int) -> MlflowServer:
    """Start a server, whose processes have each written an optimization, with an experiment for the bridge."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    options = ("--workers", str(workers), "--uvicorn-opts", "--timeout-worker-healthcheck 120")
    server = stack.enter_context(mlflow_server(folder, options=options, forked=False))
    client = mlflow.MlflowClient(server.uri)
    client.create_experiment("e")
    bare_header = {"x-mlflow-experiment-id": client.create_experiment(BARE)}
    for program in range(100, 100 + 2 * workers):
        send(server.uri, list(requests_of(program, 1)), bare_header)
    return server


@dataclass(slots=True)
class Measured:
    """What a client took.

    Attributes:
        requests: number of its requests.
        seconds: until the last was answered.
        server: CPU seconds of the server.
        own: CPU seconds of this process.
    """

    requests: int
    seconds: float
    server: float
    own: float


@contextmanager
def measured(server: MlflowServer, requests: Callable[[], int]) -> Generator[list[Measured]]:
    """Measure what the block takes; the list has it after the block.

    Args:
        server: the server.
        requests: returns the number of requests, after the block.
    """
    processes, found = Processes(server.group), list[Measured]()
    before, began, used = processes.cpu(), time.perf_counter(), time.process_time()
    yield found
    seconds, own = time.perf_counter() - began, time.process_time() - used
    found.append(Measured(requests(), seconds, processes.cpu() - before, own))


def row(client: str, spans: int, taken: Measured) -> Row:
    """Return a row of the second table."""
    return {
        "client": client,
        "requests": taken.requests,
        "s": round(taken.seconds, 1),
        "spans a second": round(spans / taken.seconds),
        "server's CPU, s": round(taken.server, 1),
        "client's CPU, s": round(taken.own, 1),
    }


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2, help="number of trials of 100 examples, three spans each")
    parser.add_argument("--workers", type=int, default=1, help="processes of `mlflow server`")
    parser.add_argument("--at-once", type=int, nargs="*", default=AT_ONCE, help="requests of the bare client in flight")
    options = parser.parse_args()
    os.environ["OTEL_DSPY_REPORT"] = "false"
    rows: list[Row] = []
    with ExitStack() as stack:
        server = started(stack, options.workers)
        pipeline, experiments = MultiWriterPipeline(threading.Event()), ExperimentRouter(server.uri, "e")
        for program in range(1, 1 + 2 * options.workers):
            write(pipeline, experiments, [[body for _, body in requests_of(program, 1)]])
        programs = [list(requests_of(10 + program, options.trials)) for program in range(PROGRAMS)]
        spans = sum(count for program in programs for count, _ in program)
        with recorded(Processes(server.group)) as sent, measured(server, lambda: len(sent)) as taken:
            write(pipeline, experiments, [[body for _, body in program] for program in programs])
        print(table(kinds(sent, PROGRAMS * (options.trials * 100 + 1))), flush=True)
        print(f"\na request in flight: {covered(sent):.1f} s\n", flush=True)
        rows.append(row("bridge", spans, taken[0]))
        own = [list(requests_of(50 + program, options.trials)) for program in range(PROGRAMS)]
        client: Any = mlflow.MlflowClient(server.uri)
        headers = {"x-mlflow-experiment-id": client.get_experiment_by_name(BARE).experiment_id}
        with measured(server, lambda: sum(map(len, own))) as taken, ThreadPoolExecutor(PROGRAMS) as pool:
            list(pool.map(send, repeat(server.uri), own, repeat(headers)))
        rows.append(row("MLflow's own ingest", spans, taken[0]))
    needed = [one.prepared for one in sent if one.kind in NEEDED]
    for at_once in options.at_once:
        with ExitStack() as stack:
            server = started(stack, options.workers)
            bare(server.uri, needed[:1] * 16 * options.workers, 4 * options.workers)  # each process, for the first time
            with measured(server, lambda: len(needed)) as taken:
                bare(server.uri, needed, at_once)
            rows.append(row(f"bare, {at_once} at once", spans, taken[0]))
    print(table(rows), flush=True)


if __name__ == "__main__":
    main()
