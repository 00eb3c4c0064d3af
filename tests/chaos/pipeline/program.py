"""A program that optimizes and knows nothing of MLflow: OpenTelemetry's own exporter, once to each address.

python -m tests.chaos.pipeline.program --to ADDRESS --to ADDRESS --trials 20 --examples 20 --pause 0.2 --die-at 0

The spans are exported twice, once through the faulty path and once through a healthy one, with the same ids. `--pause`:
seconds that the model takes for an answer. `--die-at`: `kill -9` of itself at that answer, after all before it is
exported; 0 for never.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import time
from typing import TYPE_CHECKING

import dspy
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import DSPyInstrumentor
from tests.support.addition_task import exact, examples, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE = 120_000
"""Milliseconds that the last words may take."""
EXPORT = 60.0
"""Seconds after which the SDK drops a batch that no receiver accepts: by default 10."""


def main(to: list[str], trials: int, size: int, pause: float, die_at: int) -> None:
    """Optimize."""
    provider = TracerProvider(resource=Resource({"service.name": "sums"}))
    processors = [
        BatchSpanProcessor(
            OTLPSpanExporter(f"http://{address}", insecure=True, timeout=EXPORT), schedule_delay_millis=500
        )
        for address in to
    ]
    for processor in processors:
        provider.add_span_processor(processor)
    DSPyInstrumentor().instrument(
        tracer_provider=provider, capture_content=True, capture_programs=True, capture_datasets=True
    )
    numbers = itertools.count(1)

    def answer(inputs: Mapping[str, str]) -> str:
        if next(numbers) == die_at:
            # Other threads must not export what they still do to only one of the two.
            provider.force_flush(PATIENCE)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(pause)
        return half_right(inputs)

    with dspy.context(lm=in_process_lm(dspy_script({"answer": answer}))):
        optimizer = dspy.MIPROv2(
            exact,
            auto=None,
            num_candidates=3,
            num_threads=1 if die_at else 2,
            max_bootstrapped_demos=1,
            max_labeled_demos=1,
        )
        optimizer.compile(
            dspy.ChainOfThought("question -> answer"),
            trainset=examples(3),
            valset=examples(size),
            num_trials=trials,
            minibatch=False,
        )
    assert provider.force_flush(PATIENCE)
    provider.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", action="append", required=True)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--examples", type=int, required=True)
    parser.add_argument("--pause", type=float, required=True)
    parser.add_argument("--die-at", type=int, required=True)
    given = parser.parse_args()
    main(given.to, given.trials, given.examples, given.pause, given.die_at)
