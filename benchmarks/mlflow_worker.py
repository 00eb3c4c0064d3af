"""Worker of `benchmarks.mlflow_delivery`: runs an optimization or an evaluation with one recorder, prints its timings.

`python -m benchmarks.mlflow_worker WORK RECORDER TRACKING_URI [API_BASE]`; `mlflow_delivery.py` starts it and counts
the requests. The model answers in this process, or at API_BASE.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import dspy
import mlflow
from dspy.utils.callback import BaseCallback

from benchmarks.overhead_worker import providers
from tests.support.addition_task import addition_lm, exact, examples

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Tracer

TRIALS: Final = 10
EXAMPLES: Final = 20
EVALUATED: Final = 200
SPANS: Final = 4
"""Spans of an example: its own, two modules' and the model's."""
TIMES: Final = 3
"""How often the work is done: now and then Python looks through all objects of the process for garbage, which takes as
long as half of it."""
MARK: Final = "/health?the-work-begins"
"""Requested from the server before the work, as a marker in its log of where the last work's requests begin."""

_dspy: Any = dspy  # these two annotate only part of what they offer
_mlflow: Any = mlflow


def _optimize() -> None:
    optimizer: Any = dspy.MIPROv2(
        metric=exact, auto=None, num_candidates=3, max_bootstrapped_demos=1, max_labeled_demos=1, num_threads=1, seed=9
    )
    optimizer.compile(
        dspy.ChainOfThought("question -> answer"),
        trainset=examples(EXAMPLES),
        valset=examples(EXAMPLES),
        num_trials=TRIALS,
        minibatch=False,
    )


def _evaluate(count: int = EVALUATED) -> None:
    evaluate = dspy.Evaluate(devset=examples(count), metric=exact, num_threads=1)
    evaluate(dspy.ChainOfThought("question -> answer"))


_WORKS: dict[str, Callable[[], None]] = {"mipro": _optimize, "evaluate": _evaluate}


def record(recorder: str) -> Callable[[], None]:
    """Switch a recorder on; return a function that waits until everything is in MLflow."""
    if recorder == "autolog":
        _mlflow.dspy.autolog(log_traces_from_compile=True, log_traces_from_eval=True, log_compiles=True, log_evals=True)
        return mlflow.flush_trace_async_logging
    if recorder == "otel-dspy":
        import otel_dspy.mlflow
        from otel_dspy import DSPyInstrumentor

        otel_dspy.mlflow.autolog()
        provider: Any = DSPyInstrumentor().tracer_provider
        return lambda: provider.force_flush(600_000)
    if recorder == "empty callback":
        _dspy.configure(callbacks=[BaseCallback()])
    if recorder == "bare spans":
        _bare_spans(providers()[0].get_tracer("bare"))
    if recorder == "otel-dspy, no MLflow":
        from otel_dspy import DSPyInstrumentor

        DSPyInstrumentor().instrument(
            tracer_provider=providers()[0], capture_content=True, capture_programs=True, capture_datasets=True
        )
    return lambda: None


def _bare_spans(tracer: Tracer) -> None:
    """As many spans a call as an example has, with nothing in them: what the SDK itself takes."""
    forward: Any = _dspy.ChainOfThought.forward

    def spanned(self: Any, **inputs: Any) -> Any:
        with ExitStack() as spans:
            for number in range(SPANS):
                spans.enter_context(tracer.start_as_current_span(f"span {number}"))
            return forward(self, **inputs)

    dspy.ChainOfThought.forward = spanned


def main(work: str, recorder: str, tracking_uri: str, api_base: str | None = None) -> None:
    """Warm up, unrecorded and then recorded, and do the work; print a line of JSON with the seconds of each time."""
    served = dspy.LM("openai/scripted", api_base=api_base, api_key="none", cache=False) if api_base else None
    _dspy.configure(lm=served or addition_lm())
    _WORKS[work]()
    mlflow.set_tracking_uri(tracking_uri)
    _mlflow.set_experiment(f"{work} {recorder}")
    flush = record(recorder)
    _evaluate(1)
    flush()
    times: list[dict[str, float]] = []
    for _ in range(TIMES):
        urllib.request.urlopen(tracking_uri + MARK).close()  # noqa: S310 - a server of the benchmark's own
        began = time.perf_counter()
        _WORKS[work]()
        worked = time.perf_counter()
        flush()
        times.append({"work_seconds": worked - began, "flush_seconds": time.perf_counter() - worked})
    print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
