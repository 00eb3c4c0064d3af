"""Benchmark: cost of a call's parts, in units of an empty DSPy callback, for comparisons on a busy machine.

`python -m benchmarks.overhead_parts` alternates in one process between calls without instrumentation, with an empty
callback, and with otel-dspy. Its work during a call and the deferred work are measured apart: the deferred queue waits
until it is drained. The figures are the least CPU time of all rounds, or with `--instructions`, `--misses` or
`--mispredictions` the least number of these, all without garbage collections, which `benchmarks.overhead` includes.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import dspy
from dspy.utils.callback import BaseCallback
from opentelemetry.trace import set_span_in_context

from benchmarks.instructions import EVENTS, Counter, is_counted, run_counted
from benchmarks.overhead_worker import program_call, providers
from otel_dspy import DSPyInstrumentor
from otel_dspy.runtime import deferred_queue

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import TracerProvider

    Count = Callable[[Callable[[], object]], float]
    """Returns the cost of some work."""

_dspy: Any = dspy  # whose `configure` is annotated in part only
_WARM_UP: Final = 20
"""Calls after which Python has specialized its code for the instrumented classes."""
_NEVER: Final = 3600.0
"""Seconds until the deferred queue's thread works."""


def _cpu_time(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _times(call: Callable[[], object], calls: int) -> Callable[[], None]:
    def repeat() -> None:
        for _ in range(calls):
            call()

    return repeat


def _flush(provider: TracerProvider) -> Callable[[], None]:
    def flush() -> None:
        deferred_queue.drain_deferred()
        provider.force_flush()

    return flush


def _spans(provider: TracerProvider) -> Callable[[], None]:
    """Return a function that starts and ends three spans without attributes, one inside the other."""
    tracer = provider.get_tracer("benchmark")

    def spans() -> None:
        outer = tracer.start_span("outer")
        middle = tracer.start_span("middle", set_span_in_context(outer))
        tracer.start_span("inner", set_span_in_context(middle)).end()
        middle.end()
        outer.end()

    return spans


def measure(count: Count, *, content: bool, calls: int, rounds: int) -> dict[str, float]:
    """Return the least cost of `calls` calls, by part; those of the callback and of hooks include the calls.

    Args:
        count: what is measured of some work.
        content: capture content.
        calls: program calls in a round.
        rounds: number of rounds.
    """
    call, instrumentor = program_call(), DSPyInstrumentor()
    tracer_provider, meter_provider = providers()
    several, flush = _times(call, calls), _flush(tracer_provider)
    three_spans = _times(_spans(tracer_provider), calls)
    found: dict[str, list[float]] = {"nothing": [], "callback": [], "hooks": [], "deferred": [], "spans": []}
    gc.collect()
    gc.freeze()
    gc.disable()
    for number in range(rounds + 1):
        _times(call, _WARM_UP)()
        nothing = count(several)
        _dspy.configure(callbacks=[BaseCallback()])
        _times(call, _WARM_UP)()
        callback = count(several)
        _dspy.configure(callbacks=[])
        instrumentor.instrument(tracer_provider=tracer_provider, meter_provider=meter_provider, capture_content=content)
        _times(call, _WARM_UP)()
        flush()
        hooks, deferred = count(several), count(flush)
        instrumentor.uninstrument()
        spans = count(three_spans) + count(flush)
        gc.collect()
        if number:  # the first one warms up
            for name, value in zip(found, (nothing, callback, hooks, deferred, spans), strict=True):
                found[name].append(value)
    gc.enable()
    return {name: min(values) for name, values in found.items()}


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--content", action="store_true", help="capture content")
    counted = parser.add_mutually_exclusive_group()
    for name in EVENTS:
        counted.add_argument(
            f"--{name}", dest="counted", action="store_const", const=name, help=f"count {name}, with valgrind"
        )
    parser.add_argument("--calls", type=int, help="program calls per round (default: 60; with valgrind 20)")
    parser.add_argument("--rounds", type=int, help="default: 60; with valgrind 2")
    options = parser.parse_args()
    if options.counted and not is_counted():
        run_counted("benchmarks.overhead_parts", sys.argv[1:], options.counted)
        return
    calls = options.calls or (20 if options.counted else 60)
    rounds = options.rounds or (2 if options.counted else 60)
    count: Count = Counter(options.counted).count if options.counted else _cpu_time
    with patch.multiple(deferred_queue, DELAY=_NEVER, LATEST=_NEVER, _TURN=_NEVER):
        least = measure(count, content=options.content, calls=calls, rounds=rounds)
    unit = options.counted or "us"
    scale = calls if options.counted else calls / 1e6
    callback = least["callback"] - least["nothing"]
    hooks, deferred = (least["hooks"] - least["nothing"]) / callback, least["deferred"] / callback
    print(f"callback {callback / scale:.0f} {unit}; in units of it: ", end="")
    print(f"hooks {hooks:.3f}, deferred {deferred:.3f}, together {hooks + deferred:.3f}; ", end="")
    print(f"three empty spans {least['spans'] / callback:.3f}")


if __name__ == "__main__":
    main()
