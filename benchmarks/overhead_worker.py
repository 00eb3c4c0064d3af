"""Worker of `benchmarks.overhead`: for each input line, makes that many program calls and prints their timings.

`python -m benchmarks.overhead_worker VARIANT` runs in the environment of the variant; `overhead.py` gives out turns.
With the further argument `no-gc` Python's garbage collector is off.
"""

from __future__ import annotations

import contextlib
import gc
import json
import statistics
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import dspy
from dspy.utils.callback import BaseCallback
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from benchmarks.sdk_spans import record_by_sdk
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan


_dspy: Any = dspy  # whose `configure` is annotated in part only
_ANSWER: Final = "[[ ## reasoning ## ]]\nTwo and two.\n\n[[ ## answer ## ]]\n4\n\n[[ ## completed ## ]]"


class _CountingExporter(SpanExporter):
    """Takes spans and throws them away."""

    spans = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        _CountingExporter.spans += len(spans)
        return SpanExportResult.SUCCESS


class _NoMetricExporter(MetricExporter):
    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        del metrics_data, timeout_millis, kwargs
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        del timeout_millis, kwargs


def providers(*, sampled: bool = True) -> tuple[TracerProvider, MeterProvider]:
    """Providers of spans and metrics that take everything in, as they do in production, and send it nowhere."""
    tracer_provider = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
    tracer_provider.add_span_processor(BatchSpanProcessor(_CountingExporter()))
    return tracer_provider, MeterProvider([PeriodicExportingMetricReader(_NoMetricExporter())])


def _otel_dspy(*, content: bool = False, sampled: bool = True) -> TracerProvider:
    from otel_dspy import DSPyInstrumentor

    tracer_provider, meter_provider = providers(sampled=sampled)
    DSPyInstrumentor().instrument(
        tracer_provider=tracer_provider, meter_provider=meter_provider, capture_content=content
    )
    return tracer_provider


def _uninstrumented() -> TracerProvider:
    from otel_dspy import DSPyInstrumentor

    provider = _otel_dspy()
    DSPyInstrumentor().uninstrument()
    return provider


def _openinference(**hide: bool) -> TracerProvider:
    # By name: this environment alone has it, and the checkers look into another one.
    config = import_module("openinference.instrumentation").TraceConfig(**hide)
    instrumentor = import_module("openinference.instrumentation.dspy").DSPyInstrumentor()
    tracer_provider, _ = providers()
    instrumentor.instrument(tracer_provider=tracer_provider, config=config)
    return tracer_provider


def _genai_dspy() -> TracerProvider:
    instrumentor = import_module("opentelemetry.instrumentation.genai.dspy").DSPyInstrumentor()
    tracer_provider, meter_provider = providers()
    instrumentor.instrument(tracer_provider=tracer_provider, meter_provider=meter_provider)
    return tracer_provider


def _sdk_spans(*, metrics: bool = False) -> TracerProvider:
    tracer_provider, meter_provider = providers()
    record_by_sdk(tracer_provider.get_tracer("benchmark"), meter_provider.get_meter("benchmark") if metrics else None)
    return tracer_provider


def _callback() -> None:
    _dspy.configure(callbacks=[BaseCallback()])


_VARIANTS: dict[str, Callable[[], TracerProvider | None]] = {
    "nothing": lambda: None,
    "callback": _callback,
    "sdk spans": _sdk_spans,
    "sdk spans, metrics": lambda: _sdk_spans(metrics=True),
    "otel-dspy": _otel_dspy,
    "otel-dspy content": lambda: _otel_dspy(content=True),
    "otel-dspy suppressed": _otel_dspy,
    "otel-dspy unsampled": lambda: _otel_dspy(sampled=False),
    "otel-dspy uninstrumented": _uninstrumented,
    "genai-dspy": _genai_dspy,
    "genai-dspy content": _genai_dspy,
    "openinference": _openinference,
    "openinference hidden": lambda: _openinference(hide_inputs=True, hide_outputs=True),
}


def program_call() -> Callable[[], Any]:
    """Return a call of the program whose language model answers at once."""
    lm = in_process_lm(lambda _messages: _ANSWER)
    _dspy.configure(lm=lm, track_usage=False)
    program = dspy.ChainOfThought("question -> answer")
    return lambda: program(question="What is two and two?")


def _suppressed() -> contextlib.AbstractContextManager[Any]:
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    return suppress_instrumentation()


def _measure(call: Callable[[], Any], calls: int, provider: TracerProvider | None) -> dict[str, float]:
    clock, times, spans = time.perf_counter, list[float](), _CountingExporter.spans
    own_clock, own_times = time.thread_time, list[float]()
    cpu = time.process_time()
    for _ in range(calls):
        own_began, began = own_clock(), clock()
        call()
        times.append(clock() - began)
        own_times.append(own_clock() - own_began)
    if provider is not None:
        provider.force_flush()
    cpu = time.process_time() - cpu
    return {
        "median_us": statistics.median(times) * 1e6,
        "cpu_us": cpu / calls * 1e6,
        "thread_us": min(own_times) * 1e6,
        "spans": (_CountingExporter.spans - spans) / calls,
    }


def main(variant: str, *options: str) -> None:
    """Answer each line (a number of calls) with a line of JSON: microseconds and spans a call."""
    if "no-gc" in options:
        gc.disable()
    call = program_call()
    provider = _VARIANTS[variant]()
    with _suppressed() if variant == "otel-dspy suppressed" else contextlib.nullcontext():
        for line in sys.stdin:
            print(json.dumps(_measure(call, int(line), provider)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
