"""Benchmark: OpenTelemetry's own exporters in front of a bridge, at a fixed rate of spans.

`python -m benchmarks.bridge_exporters`. Four programs end spans at a constant rate and export them over OTLP/HTTP with
the default settings of `BatchSpanProcessor` and `OTLPSpanExporter`: 512 spans a request, a timeout of ten seconds. The
rate is more than MLflow stores, so that a bridge with a queue acknowledges faster than it writes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.bridge_load import metric
from benchmarks.environments import ROOT
from benchmarks.memory import POINTS
from benchmarks.processes import resident
from benchmarks.results import pinned, save, table
from tests.support.bridge_process import bridge_process
from tests.support.mlflow_server import free_port, mlflow_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult

    from benchmarks.results import Row

PROGRAMS: Final = 4
SPANS_A_TRACE: Final = 5
_PACKAGES: Final = ("mlflow", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "uvicorn")


def program(address: str, rate: float, seconds: float) -> dict[str, Any]:
    """Export spans at a rate; return how many were ended and accepted, failed exports, and the seconds of each."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

    durations: list[float] = []
    accepted = failed = 0

    class Timed(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            nonlocal accepted, failed
            began = time.perf_counter()
            result = super().export(spans)
            durations.append(time.perf_counter() - began)
            if result is SpanExportResult.SUCCESS:
                accepted += len(spans)
            else:
                failed += 1
            return result

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Timed(f"{address}/v1/traces")))
    tracer = provider.get_tracer("otel_dspy")
    began, ended = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        with tracer.start_as_current_span("module P", attributes={"dspy.operation.name": "module"}):
            for index in range(SPANS_A_TRACE - 1):
                tracer.start_span(f"module Q{index}", attributes={"dspy.operation.name": "module"}).end()
        ended += SPANS_A_TRACE
        time.sleep(max(0.0, began + ended / rate - time.perf_counter()))
    provider.shutdown()
    return {"ended": ended, "accepted": accepted, "failed": failed, "seconds": durations}


def case(rate: float, seconds: float, *, queue: bool) -> Row:
    """Return the row of a bridge with or without a queue, on an MLflow server of its own on sqlite."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(mlflow_server(folder, forked=False))
        place = str(folder / "queue") if queue else "none"
        # The bridge's own patience, which is less than the exporters' timeout.
        bridge = stack.enter_context(
            bridge_process(server.uri, "exporters", free_port(), patience=8, forked=False, queue=place)
        )
        command = [sys.executable, "-m", "benchmarks.bridge_exporters", "--worker", bridge.http]
        workers = [
            subprocess.Popen(
                [*command, str(rate / PROGRAMS), str(seconds)],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )
            for _ in range(PROGRAMS)
        ]  # fmt: skip
        memory: list[float] = []
        while any(worker.poll() is None for worker in workers):
            time.sleep(max(0.1, seconds / POINTS))
            memory.append(resident(bridge.process.pid))
        found = [json.loads(worker.communicate()[0]) for worker in workers]
        durations = sorted(duration for one in found for duration in one["seconds"])
        return {
            "writer": "a bridge with a queue" if queue else "a bridge without a queue",
            "spans ended": sum(one["ended"] for one in found),
            "not acknowledged": sum(one["ended"] - one["accepted"] for one in found),
            "failed exports": sum(one["failed"] for one in found),
            "export, ms (median)": round(1000 * durations[len(durations) // 2]),
            "(99 %)": round(1000 * durations[len(durations) * 99 // 100]),
            "in MLflow at the end": round(metric(bridge.http, "otel_dspy_bridge_written_spans_total")),
            "MiB at a tenth": round(memory[len(memory) // 10]),
            "MiB at the end": round(memory[-1]),
        }


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=2000, help="spans a second of all programs together")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    rows = [case(options.rate, options.seconds, queue=queue) for queue in (False, True)]
    print(table(rows))
    print("Load average at the end:", round(os.getloadavg()[0], 1))
    if options.keep:
        save("bridge_exporters", rows, pinned(_PACKAGES, ROOT / "requirements" / "dev.txt"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(program(sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))), flush=True)
    else:
        main()
