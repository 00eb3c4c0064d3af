"""Spans and measurements of a call by OpenTelemetry's SDK alone: a cost that any instrumentation has.

Their attributes are constants like those of otel-dspy without content. Nothing is read from DSPy, nothing is deferred.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import dspy
from opentelemetry.context import attach, detach
from opentelemetry.trace import SpanKind, set_span_in_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Tracer
    from opentelemetry.util.types import AttributeValue

    Attributes = Mapping[str, AttributeValue]
    Record = Callable[[float], None]
    """Records the measurements of a call that took so many seconds."""

_MODULE: Final[Attributes] = {
    "dspy.operation.name": "module",
    "dspy.module.type": "Predict",
    "dspy.module.name": "predict",
    "dspy.module.signature": "question -> reasoning, answer",
}
_CHAT: Final[Attributes] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "scripted",
}
_CHAT_END: Final[Attributes] = {
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.response.model": "scripted-2026",
    "gen_ai.response.id": "response-1",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.usage.cache_read.input_tokens": 4,
    "gen_ai.usage.reasoning.output_tokens": 2,
    "gen_ai.prompt.name": "ChainOfThought.predict",
    "gen_ai.prompt.version": "8e9c96e2db2495f9",
    "dspy.module.name": "predict",
    "dspy.lm.retries": 0,
    "dspy.lm.cache_hit": False,
}
_MEASURED: Final[Attributes] = {**_CHAT, "gen_ai.response.model": "scripted-2026"}


def record_by_sdk(tracer: Tracer, meter: Meter | None) -> None:
    """Wrap `Module.__call__` and `BaseLM.__call__` of DSPy for good.

    Args:
        tracer: of the spans.
        meter: of the measurements; None to record spans alone.
    """
    of_module, of_call = _measurements(meter)
    _wrap(dspy.Module, lambda: tracer.start_span("module Predict", attributes=_MODULE), None, of_module)
    _wrap(
        dspy.BaseLM,
        lambda: tracer.start_span("chat scripted", kind=SpanKind.CLIENT, attributes=_CHAT),
        _CHAT_END,
        of_call,
    )


def _measurements(meter: Meter | None) -> tuple[Record | None, Record | None]:
    """Return what records the measurements of a module and of a language model call."""
    if meter is None:
        return None, None
    modules = meter.create_histogram("dspy.module.duration", unit="s")
    unpriced = meter.create_counter("dspy.usage.unpriced_calls")
    durations = meter.create_histogram("gen_ai.client.operation.duration", unit="s")
    tokens = meter.create_histogram("gen_ai.client.token.usage")

    def call(seconds: float) -> None:
        unpriced.add(1, {"gen_ai.request.model": "scripted"})
        durations.record(seconds, _MEASURED)
        tokens.record(10, {**_MEASURED, "gen_ai.token.type": "input"})
        tokens.record(5, {**_MEASURED, "gen_ai.token.type": "output"})

    return lambda seconds: modules.record(seconds, {"dspy.module.type": "Predict"}), call


def _wrap(owner: Any, start: Callable[[], Any], at_end: Attributes | None, record: Record | None) -> None:
    original, clock = owner.__call__, time.perf_counter

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        began, span = clock(), start()
        token = attach(set_span_in_context(span))
        try:
            return original(self, *args, **kwargs)
        finally:
            if record is not None:
                record(clock() - began)
            detach(token)
            if at_end is not None:
                span.set_attributes(at_end)
            span.end()

    owner.__call__ = call
