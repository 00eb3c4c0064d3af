"""Benchmark: overhead of recording an optimization and an evaluation in MLflow, compared with MLflow's autologging.

`python -m benchmarks.mlflow_delivery` starts a real server on sqlite, then one on PostgreSQL; the recorders take
turns. Requests are counted in the server's own log. The language model answers at once, within the process, which no
model in production does, or over HTTP on loopback; or over HTTP after 50 ms, sooner than any hosted model.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.environments import ROOT
from benchmarks.mlflow_worker import EVALUATED, EXAMPLES, MARK, TRIALS
from benchmarks.postgres import binaries, postgres
from benchmarks.processes import result_of
from benchmarks.results import pinned, save, table
from tests.support.addition_task import half_right
from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import scripted_lm
from tests.support.mlflow_server import mlflow_server

if TYPE_CHECKING:
    from benchmarks.results import Row
    from tests.support.mlflow_server import MlflowServer

Run = dict[str, Any]

RECORDERS: Final = ("nothing", "empty callback", "bare spans", "otel-dspy, no MLflow", "otel-dspy", "autolog")
ONCE: Final = "autolog"
"""The recorder that is measured in the first round alone: it takes longer than all others, and is no close call."""
_WORKS: Final = ("mipro", "evaluate")
_LATENCY: Final = {"HTTP": 0.0, "HTTP, 50 ms": 0.05}
"""Seconds until a model that is served answers."""
_MODELS: Final = {"sqlite": ("in process", *_LATENCY), "postgresql": ("HTTP",)}
_REQUEST: Final = re.compile(r'"(?:GET|POST|PATCH|PUT|DELETE) (\S+) HTTP')
_SCORED: Final = {"mipro": (TRIALS + 1) * EXAMPLES, "evaluate": EVALUATED}
"""Examples that a work scores in its trials; MIPROv2 begins with a trial of its own, the default program."""
_PACKAGES: Final = ("dspy", "mlflow", "opentelemetry-sdk", "psycopg2-binary")


def measure(server: MlflowServer, work: str, recorder: str, api_base: str | None) -> list[Run]:
    """Do the work in a fresh process, some times; give its seconds, and the last one's requests by what they carry."""
    model = [api_base] if api_base else []
    times: list[dict[str, float]] = result_of(
        "benchmarks.mlflow_worker", work, recorder, server.uri, *model, OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT="600"
    )
    paths = _REQUEST.findall(server.log.read_text(errors="replace").rpartition(MARK)[2])
    traces = sum("/traces" in path for path in paths)
    return [{**one, "trace_requests": traces, "run_requests": len(paths) - traces} for one in times]


def summary(backend: str, model: str, work: str, runs: dict[str, list[Run]]) -> list[Row]:
    """A row a recorder; times are medians, in units of the unrecorded work's."""
    rows: list[Row] = []
    bare = statistics.median(run["work_seconds"] for run in runs["nothing"])
    for recorder in RECORDERS[1:]:
        ratios = [run["work_seconds"] / bare for run in runs[recorder]]
        until = [(run["work_seconds"] + run["flush_seconds"]) / bare for run in runs[recorder]]
        last = runs[recorder][-1]
        rows.append(
            {
                "backend": backend,
                "model": model,
                "work": work,
                "recorder": recorder,
                "wall": round(statistics.median(ratios), 2),
                "spread": [round(min(ratios), 2), round(max(ratios), 2)],
                "until stored": round(statistics.median(until), 1),
                "seconds after": round(statistics.median(run["flush_seconds"] for run in runs[recorder]), 1),
                "requests": last["trace_requests"] + last["run_requests"],
                "trace requests an example": round(last["trace_requests"] / _SCORED[work], 2),
                "other requests a trial": round(last["run_requests"] / (TRIALS + 1 if work == "mipro" else 1), 1),
            }
        )
    return rows


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    rows: list[Row] = []
    for backend in options.backend:
        if backend == "postgresql" and binaries() is None:
            print("PostgreSQL is not installed: skipped", file=sys.stderr)
            continue
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            store = stack.enter_context(postgres()) if backend == "postgresql" else None
            server = stack.enter_context(mlflow_server(folder, backend=store, forked=False))
            script = dspy_script({"answer": half_right})
            served = {
                model: stack.enter_context(scripted_lm(script, latency=latency)).api_base
                for model, latency in _LATENCY.items()
            }
            for model, work in product(_MODELS[backend], _WORKS):
                runs: dict[str, list[Run]] = {recorder: [] for recorder in RECORDERS}
                for number in range(options.rounds):
                    for recorder in RECORDERS:
                        if number == 0 or recorder != ONCE:
                            runs[recorder] += measure(server, work, recorder, served.get(model))
                rows += summary(backend, model, work, runs)
                print(table(rows[1 - len(RECORDERS) :]), flush=True)
                if options.keep:
                    save("mlflow", rows, pinned(_PACKAGES, ROOT / "requirements" / "dev.txt"), rounds=options.rounds)


if __name__ == "__main__":
    main()
