"""Benchmark: seconds until an evaluation is stored in a near or distant MLflow, beside MLflow's own autologging.

`python -m benchmarks.latency` starts a real MLflow server (with `--app` one that runs otel-dspy's app), puts a proxy
before it that adds a round trip of 50 and 150 ms, and lets the recorders take turns. Requests are counted in the
server's own log; what is stored is read back.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import statistics
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlflow import MlflowClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.environments import ROOT
from benchmarks.postgres import postgres
from benchmarks.processes import cpu_seconds, result_of
from benchmarks.results import pinned, save, table
from tests.support.latency_proxy import latency_proxy
from tests.support.mlflow_server import mlflow_server

if TYPE_CHECKING:
    from benchmarks.results import Row
    from tests.support.mlflow_server import MlflowServer

RECORDERS: Final = ("otel-dspy", "autolog")
ROUND_TRIPS: Final = (0, 50, 150)
"""Milliseconds that a request to MLflow takes in addition."""
WARM_UP: Final = 4
"""Examples before the first measurement."""
DEFAULT_WORKERS: Final = 4
"""Processes of `mlflow server`, unless its option `--workers` is set."""
AT_ONCE: Final = 16
"""Requests that `warm_up` sends at the same time, so that every process of a server receives some."""
WARM_UP_ROUNDS: Final = 8
"""How often `warm_up` sends them: a process that imports litellm accepts no requests, so that others receive them."""
_JSON: Final = {"Content-Type": "application/json"}
_REQUEST: Final = re.compile(r'"(?:GET|POST|PATCH|PUT|DELETE) \S+ HTTP')
_PACKAGES: Final = ("dspy", "mlflow", "opentelemetry-sdk", "psycopg2-binary")


def measure(server: MlflowServer, recorder: str, round_trip: int, count: int, number: int) -> dict[str, float]:
    """Evaluate in a fresh process; return its seconds, its requests, and what MLflow then holds."""
    client = MlflowClient(server.uri)
    experiment = client.create_experiment(f"{recorder} {round_trip} ms {count} {number}")
    before, used = server.log.read_text(errors="replace").count("\n"), cpu_seconds(server.group)
    # A proxy would delay its acknowledgments to a server with several processes, whatever the client does.
    with latency_proxy(server.uri, round_trip / 1000) if round_trip else nullcontext(server.uri) as uri:
        name = client.get_experiment(experiment).name
        times: dict[str, float] = result_of(
            "benchmarks.latency_worker", recorder, uri, name, str(count), OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT="600"
        )
    lines = server.log.read_text(errors="replace").splitlines()[before:]
    return {
        **times,
        "server": cpu_seconds(server.group) - used,
        "requests": sum(bool(_REQUEST.search(line)) for line in lines),
        **stored(server.uri, experiment),
    }


def warm_up(server: MlflowServer) -> None:
    """Send spans and infos of traces to every process of the server.

    Each imports litellm, for seconds, when it receives its first spans, and is slow at its first info.
    """
    experiment = MlflowClient(server.uri).create_experiment("warm-up")

    def send(_: int) -> None:
        payload = ExportTraceServiceRequest()
        span = (
            payload.resource_spans.add()
            .scope_spans.add()
            .spans.add(name="warm-up", trace_id=secrets.token_bytes(16), span_id=secrets.token_bytes(8))
        )
        for key, text in (("mlflow.llm.model", "gpt-4o"), ("mlflow.chat.tokenUsage", '{"input_tokens": 1}')):
            span.attributes.add(key=key).value.string_value = text
        headers = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": experiment}
        request = urllib.request.Request(f"{server.uri}/v1/traces", payload.SerializeToString(), headers)  # noqa: S310
        urllib.request.urlopen(request).close()  # noqa: S310 - a server of the benchmark's own
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
        began = {"request_time": "2026-01-01T00:00:00Z", "state": "OK"}
        info = {"trace_id": f"tr-{secrets.token_hex(16)}", "trace_location": location, **began}
        body = json.dumps({"trace": {"trace_info": info}}).encode()
        request = urllib.request.Request(f"{server.uri}/api/3.0/mlflow/traces", body, _JSON)  # noqa: S310
        urllib.request.urlopen(request).close()  # noqa: S310 - the same

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(WARM_UP_ROUNDS):
            list(pool.map(send, range(AT_ONCE)))


def stored(tracking_uri: str, experiment: str) -> dict[str, int]:
    """Return the number of traces, of assessments and of runs that an experiment holds."""
    client: Any = MlflowClient(tracking_uri)
    traces = assessments = 0
    token: str | None = None
    while True:
        page = client.search_traces([experiment], max_results=500, include_spans=False, page_token=token)
        traces += len(page)
        assessments += sum(len(trace.info.assessments) for trace in page)
        token = page.token
        if not token:
            runs = len(client.search_runs([experiment]))
            return {"traces": traces, "assessments": assessments, "runs": runs}


def summary(
    backend: str, workers: int, count: int, round_trip: int, runs: dict[str, list[dict[str, float]]]
) -> list[Row]:
    """Return a row for each recorder, with medians; the ratio is that of work and storing to autolog's."""
    totals = {name: statistics.median(run["work"] + run["storing"] for run in found) for name, found in runs.items()}
    return [
        {
            "backend": backend,
            "server's processes": workers,
            "examples": count,
            "round trip, ms": round_trip,
            "recorder": name,
            "work, s": round(statistics.median(run["work"] for run in found), 1),
            "storing, s": round(statistics.median(run["storing"] for run in found), 1),
            "ratio": round(totals[name] / totals["autolog"], 2),
            "server's CPU, s": round(statistics.median(run["server"] for run in found), 1),
            "program's CPU, s": round(statistics.median(run["cpu"] for run in found), 1),
            "requests an example": round(found[-1]["requests"] / count, 2),
            "traces": int(found[-1]["traces"]),
            "assessments": int(found[-1]["assessments"]),
            "runs": int(found[-1]["runs"]),
        }
        for name, found in runs.items()
    ]


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--examples", type=int, nargs="*", default=[300, 3000])
    parser.add_argument("--round-trip", type=int, nargs="*", default=list(ROUND_TRIPS), help="in milliseconds")
    parser.add_argument("--workers", type=int, nargs="*", default=[DEFAULT_WORKERS], help="processes of the server")
    parser.add_argument("--app", action="store_true", help="the server runs otel-dspy's app")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    rows: list[Row] = []
    for backend, workers in product(options.backend, options.workers):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            store = stack.enter_context(postgres()) if backend == "postgresql" else None
            # uvicorn kills a process that does not answer it for 5 s, as while it imports litellm on a busy machine.
            processes = ("--workers", str(workers), "--uvicorn-opts", "--timeout-worker-healthcheck 120")
            processes += ("--app-name", "otel-dspy") if options.app else ()
            server = stack.enter_context(mlflow_server(folder, backend=store, options=processes, forked=False))
            warm_up(server)
            measure(server, RECORDERS[0], 0, WARM_UP, -1)
            for count, round_trip in product(options.examples, options.round_trip):
                runs: dict[str, list[dict[str, float]]] = {recorder: [] for recorder in RECORDERS}
                for number, recorder in product(range(options.rounds), RECORDERS):
                    runs[recorder].append(measure(server, recorder, round_trip, count, number))
                rows += summary(backend, workers, count, round_trip, runs)
                print(table(rows[-len(RECORDERS) :]), flush=True)
                if options.keep:
                    versions = pinned(_PACKAGES, ROOT / "requirements" / "dev.txt")
                    save("latency_app" if options.app else "latency", rows, versions, rounds=options.rounds)


if __name__ == "__main__":
    main()
