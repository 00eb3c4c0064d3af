"""Benchmark: CPU time of a call's parts, in units of an empty DSPy callback, for comparisons on a busy machine.

`python -m benchmarks.overhead_parts` alternates in one process between calls without instrumentation, with an empty
callback, and with otel-dspy. Its work during a call and the deferred work are measured apart: fewer calls than fit in
the delay of the deferred queue are made, and then it is drained. The figures are the least of all rounds, without
garbage collections, which `benchmarks.overhead` includes.
"""

from __future__ import annotations

import argparse
import gc
import time
from typing import TYPE_CHECKING, Any, Final

import dspy
from dspy.utils.callback import BaseCallback

from benchmarks.overhead_worker import program_call, providers
from otel_dspy import DSPyInstrumentor
from otel_dspy.runtime.deferred_queue import drain_deferred

if TYPE_CHECKING:
    from collections.abc import Callable

_dspy: Any = dspy  # whose `configure` is annotated in part only
_clock = time.process_time
_WARM_UP: Final = 20
"""Calls after which Python has specialized its code for the instrumented classes."""


def _seconds(call: Callable[[], object], calls: int) -> float:
    began = _clock()
    for _ in range(calls):
        call()
    return _clock() - began


def measure(*, content: bool, calls: int, rounds: int) -> dict[str, float]:
    """Return the least seconds of `calls` calls, by part; those of the callback and of hooks include the calls.

    Args:
        content: capture content.
        calls: program calls in a round; 100 take less than the deferred queue's delay of 0.1 s.
        rounds: number of rounds.
    """
    call, instrumentor = program_call(), DSPyInstrumentor()
    tracer_provider, meter_provider = providers()
    found: dict[str, list[float]] = {"nothing": [], "callback": [], "hooks": [], "deferred": []}
    gc.collect()
    gc.freeze()
    gc.disable()
    for number in range(rounds + 1):
        nothing = _seconds(call, calls)
        _dspy.configure(callbacks=[BaseCallback()])
        callback = _seconds(call, calls)
        _dspy.configure(callbacks=[])
        instrumentor.instrument(tracer_provider=tracer_provider, meter_provider=meter_provider, capture_content=content)
        _seconds(call, _WARM_UP)
        tracer_provider.force_flush()
        hooks = _seconds(call, calls)
        began = _clock()
        drain_deferred()
        tracer_provider.force_flush()
        deferred = _clock() - began
        instrumentor.uninstrument()
        gc.collect()
        if number:  # the first one warms up
            for name, value in zip(found, (nothing, callback, hooks, deferred), strict=True):
                found[name].append(value)
    gc.enable()
    return {name: min(values) for name, values in found.items()}


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--content", action="store_true", help="capture content")
    parser.add_argument("--calls", type=int, default=60, help="program calls per round")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    least = measure(content=options.content, calls=options.calls, rounds=options.rounds)
    callback = least["callback"] - least["nothing"]
    hooks, deferred = (least["hooks"] - least["nothing"]) / callback, least["deferred"] / callback
    print(f"callback {callback / options.calls * 1e6:.0f} us; in units of it: ", end="")
    print(f"hooks {hooks:.2f}, deferred {deferred:.2f}, together {hooks + deferred:.2f}")


if __name__ == "__main__":
    main()
