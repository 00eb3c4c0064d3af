"""Worker programs of `benchmarks.soak`: a service that also optimizes, and a short job that optimizes once.

The language model answers within the process. Everything that is random is seeded, so that a worker with telemetry and
one without make the same calls in the same order.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

SERVICE_PAUSE: Final = 2.0
"""Seconds that a thread of the service waits between two requests."""
OPTIMIZER_PAUSE: Final = 30.0
"""Seconds between two optimizations: MLflow receives everything three times, and must have time left after an outage,
on a machine that has other work.
"""
LATENCY: Final = 0.005
"""Seconds that the model takes for an answer."""
DELIVERY: Final = 600_000
"""Milliseconds that the last delivery may take."""
EXPORT: Final = 600
"""Seconds that OpenTelemetry's exporter spends on a batch at most."""
QUEUE: Final = 32_768
BATCH: Final = 64
"""Spans that wait for it, and that it sends at once."""
SKIPPED: Final = frozenset({"BetterTogether"})
"""It writes the state of a program with a language model that has no state of its own here."""


@dataclass(slots=True)
class Counts:
    """What the worker did."""

    requests: int = 0
    optimizations: Counter[str] = field(default_factory=Counter[str])
    traces: int = 0


def instrument(mlflow: str, bridges: Sequence[str], counts: Counts) -> Callable[[], dict[str, int]]:
    """Record in MLflow in process, and send the same spans to each bridge.

    Args:
        mlflow: tracking URI.
        bridges: gRPC addresses.
        counts: `traces` counts the local root spans that ended.

    Returns:
        Flushes and shuts everything down; returns the number of spans that each way has dropped.
    """
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from otel_dspy import DSPyInstrumentor
    from otel_dspy.mlflow import MlflowSpanProcessor
    from tests.support.persistent_exporter import PersistentExporter

    class Roots(SpanProcessor):
        """Counts traces."""

        accepts_deferred_ends = True

        def on_end(self, span: ReadableSpan) -> None:
            """Count one."""
            counts.traces += span.parent is None

    processor = MlflowSpanProcessor(tracking_uri=mlflow, experiment="soak")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Roots())
    provider.add_span_processor(processor)
    batches = [
        BatchSpanProcessor(
            PersistentExporter(OTLPSpanExporter(f"http://{address}", timeout=EXPORT)),
            max_queue_size=QUEUE,
            max_export_batch_size=BATCH,
        )
        for address in bridges
    ]
    for batch in batches:
        provider.add_span_processor(batch)
    DSPyInstrumentor().instrument(
        tracer_provider=provider, capture_content=True, capture_programs=True, capture_datasets=True
    )

    def end() -> dict[str, int]:
        # Each by itself: the provider skips those whose turn comes after the time is over.
        for batch in batches:
            batch.force_flush(DELIVERY)
        waiting = processor.force_flush(DELIVERY)
        provider.shutdown()
        return {"lost": processor.lost, "flushed": int(waiting)}

    return end


def serve(counts: Counts, ended: threading.Event, seed: int) -> None:
    """Answer requests until `ended`: plain, async, in parallel, with tools; some fail."""
    import dspy

    from tests.behavior.model import model
    from tests.behavior.programs import add
    from tests.support.two_step_programs import Thinking

    chance = random.Random(seed)  # noqa: S311 - chance, no secret
    lm = _slow(model())
    program: Any = Thinking()
    agent: Any = cast("Any", dspy.ReAct)("question -> answer", tools=[add], max_iters=2)
    broken: Any = dspy.Predict("question -> answer")
    kinds: list[Callable[[str], Any]] = [
        lambda question: program(question=question),
        lambda question: asyncio.run(program.acall(question=question)),
        lambda question: agent(question=question),
        lambda question: cast("Any", dspy.Parallel)(num_threads=2, disable_progress_bar=True)(
            [(program, {"question": question})] * 2
        ),
        lambda _: broken(question="not a sum"),
    ]
    from otel_dspy import conversation

    with _context(lm=lm, disable_history=True):
        while not ended.wait(SERVICE_PAUSE):
            question = f"{chance.randrange(10**6)}+{chance.randrange(10)}"
            with contextlib.suppress(Exception), conversation(f"conversation {counts.requests // 20}"):
                chance.choice(kinds)(question)
            counts.requests += 1


def optimize(counts: Counts, ended: threading.Event, seed: int) -> None:
    """Run every optimizer of DSPy that works offline, in random order, until `ended`."""
    from tests.behavior.model import model
    from tests.behavior.observation import Stage
    from tests.behavior.optimizations import OPTIMIZATIONS

    chance = random.Random(seed)  # noqa: S311 - chance, no secret
    names = [name for name in OPTIMIZATIONS if name not in SKIPPED]
    with tempfile.TemporaryDirectory() as folder:
        while not ended.wait(OPTIMIZER_PAUSE):
            lm = _slow(model())
            name = chance.choice(names)
            # One of the scenarios is interrupted by Ctrl-C, which a worker must outlive.
            with _context(lm=lm, disable_history=True), contextlib.suppress(Exception, KeyboardInterrupt):
                OPTIMIZATIONS[name](Stage(lm, Path(folder)))
            counts.optimizations[name] += 1


def _context(**settings: Any) -> Any:
    import dspy

    untyped: Any = dspy
    return untyped.context(**settings)


def _slow(lm: Any) -> Any:
    from tests.support.in_process_lm import engine_of

    engine: Any = engine_of(lm)
    answer = engine.script

    def slow(messages: Any) -> str:
        time.sleep(LATENCY)
        return answer(messages)

    engine.script = slow
    return lm


def work(mlflow: str, bridges: Sequence[str], seed: int) -> dict[str, Any]:
    """Serve and optimize until SIGTERM; what was done. Without `mlflow` nothing is instrumented."""
    counts = Counts()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    end = instrument(mlflow, bridges, counts) if mlflow else dict[str, int]
    services = [threading.Thread(target=serve, args=(counts, ended, seed + number)) for number in range(2)]
    for thread in services:
        thread.start()
    optimize(counts, ended, seed)
    for thread in services:
        thread.join()
    outcome = end()
    return {
        "requests": counts.requests,
        "optimizations": dict(counts.optimizations),
        "traces": counts.traces,
        **outcome,
    }


def job(mlflow: str, *, killed: bool) -> None:
    """Optimize once under `autolog`; `killed`: by SIGKILL, in the middle."""
    import otel_dspy.mlflow
    from tests.behavior.model import model
    from tests.behavior.observation import Stage
    from tests.behavior.optimizations import OPTIMIZATIONS

    otel_dspy.mlflow.autolog(tracking_uri=mlflow, experiment="soak-jobs")
    if killed:
        threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
    with tempfile.TemporaryDirectory() as folder, _context(lm=_slow(model())):
        for _ in range(100 if killed else 1):
            OPTIMIZATIONS["MIPROv2 without"](Stage(model(), Path(folder)))


if __name__ == "__main__":
    if sys.argv[1] == "job":
        job(sys.argv[2], killed=sys.argv[3] == "killed")
    else:
        _, _, _uri, _seed, *_bridges = sys.argv
        with contextlib.redirect_stdout(sys.stderr):
            _done = work(_uri, _bridges, int(_seed))
        print(json.dumps(_done), flush=True)
