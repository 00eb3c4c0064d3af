"""Benchmark: resident memory while `MlflowSpanProcessor` receives a long optimization, with MLflow up and down.

`python -m benchmarks.memory`. The spans follow the semantic conventions, without DSPy: three an example (`example`,
`module`, `chat`), or, of an agent's examples, two for each of its hundred steps; 100 examples a trial. With MLflow up
the benchmark waits after each trial until MLflow has everything; with MLflow down it never waits, so what does not fit
the queue goes to the spool.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.environments import ROOT
from benchmarks.processes import resident, result_of
from benchmarks.results import pinned, save, table
from tests.support.mlflow_server import free_port, mlflow_server

if TYPE_CHECKING:
    from benchmarks.results import Row

EXAMPLES_A_TRIAL: Final = 100
STEPS: Final = 100
"""Modules that an agent's example calls."""
POINTS: Final = 100
"""How often memory is looked at."""
_PACKAGES: Final = ("mlflow", "opentelemetry-sdk")


def record(uri: str, spans: int, steps: int, seconds: float, *, wait: bool) -> dict[str, Any]:
    """Record one compile of about `spans` spans for up to `seconds`; return memory in MiB by number of spans."""
    from otel_dspy.mlflow import MlflowSpanProcessor
    from tests.integration.mlflow.contract_spans import SpanEmitter, provider

    processor = MlflowSpanProcessor(tracking_uri=uri, experiment="memory")
    emitter = SpanEmitter(provider(processor, namespace=7).get_tracer("otel_dspy"), compile_id="memory", steps=steps)
    spans_a_trial = _spans_an_example(steps) * EXAMPLES_A_TRIAL + 2
    trials = max(1, spans // spans_a_trial)
    memory: list[tuple[int, float]] = []
    began = time.monotonic()
    with emitter.compile():
        for index in range(trials):
            with emitter.trial(index, score=50.0, state="{}"), emitter.evaluate([1.0] * EXAMPLES_A_TRIAL, trial=index):
                pass
            if wait:
                processor.force_flush(600_000)
            if index % max(1, trials // POINTS) == 0 or index == trials - 1:
                memory.append(((index + 1) * spans_a_trial, resident()))
            if time.monotonic() - began > seconds:
                break
    spool = sum(path.stat().st_size for path in Path(os.environ["OTEL_DSPY_SPOOL_DIR"]).rglob("*") if path.is_file())
    return {"memory": memory, "seconds": time.monotonic() - began, "spool_mib": spool / 2**20, "lost": processor.lost}


def _spans_an_example(steps: int) -> int:
    return 1 + 2 * steps


def _run(uri: str, spans: int, steps: int, seconds: float, *, wait: bool) -> dict[str, Any]:
    given = [uri, str(spans), str(steps), str(seconds), str(int(wait))]
    with tempfile.TemporaryDirectory() as spool:
        variables = {"OTEL_DSPY_SPOOL_DIR": spool, "OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT": "1"}
        return result_of("benchmarks.memory", "--worker", *given, **variables)


def _row(case: str, steps: int, measured: dict[str, Any]) -> Row:
    memory: list[tuple[int, float]] = measured["memory"]
    recorded = memory[-1][0]
    early = next(mib for spans, mib in memory if spans >= recorded / 10)
    return {
        "MLflow": case,
        "spans an example": _spans_an_example(steps),
        "spans": recorded,
        "MiB at a tenth": round(early),
        "MiB at the end": round(memory[-1][1]),
        "growth": round(memory[-1][1] / early, 2),
        "spool, MiB": round(measured["spool_mib"]),
        "spans dropped": measured["lost"],
        "memory": memory,
    }


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--up", type=int, nargs="*", default=[100_000], help="number of spans while MLflow is up")
    parser.add_argument(
        "--agent", type=int, nargs="*", default=[1_000_000], help="number of spans of an agent's examples"
    )
    parser.add_argument(
        "--down", type=int, nargs="*", default=[100_000, 1_000_000], help="number of spans while MLflow is down"
    )
    parser.add_argument("--seconds", type=float, default=3600, help="stop a case after so long")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    rows: list[Row] = []
    for spans in options.down:
        down = f"http://127.0.0.1:{free_port()}"
        rows.append(_row("down", 1, _run(down, spans, 1, options.seconds, wait=False)))
    with tempfile.TemporaryDirectory() as folder, mlflow_server(Path(folder), forked=False) as server:
        for spans, steps in [(spans, 1) for spans in options.up] + [(spans, STEPS) for spans in options.agent]:
            rows.append(_row("up", steps, _run(server.uri, spans, steps, options.seconds, wait=True)))
    print(table([{name: value for name, value in row.items() if name != "memory"} for row in rows]))
    if options.keep:
        save("memory", rows, pinned(_PACKAGES, ROOT / "requirements" / "dev.txt"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _, _, _uri, _spans, _steps, _seconds, _wait = sys.argv
        print(json.dumps(record(_uri, int(_spans), int(_steps), float(_seconds), wait=_wait == "1")), flush=True)
    else:
        main()
