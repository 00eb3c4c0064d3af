"""Phases of a compile: a `phase` span around a method that the optimizer has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from opentelemetry.context import get_current
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.datasets import fields
from otel_dspy.hooks.around import Watch
from otel_dspy.telemetry.content import as_json
from otel_dspy.telemetry.failure import mark_failed
from otel_dspy.telemetry.scopes import current_place, inside

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.scopes import CompileScope


class PhaseWatch(Watch):
    """Around one phase. `product`: the attribute for what the phase returns, None where that is not told."""

    part = "the span of a phase"

    def __init__(self, telemetry: Telemetry, scope: CompileScope, name: str, product: str | None) -> None:
        super().__init__()
        self._telemetry = telemetry
        self._scope = scope
        self._name = name
        self._product = product

    @override
    def open(self) -> Context:
        self._span = self._telemetry.tracer.start_span(
            semconv.SPAN_DSPY_PHASE.format(self._name),
            attributes={
                semconv.DSPY_OPERATION_NAME: "phase",
                semconv.DSPY_COMPILE_ID: self._scope.id,
                semconv.DSPY_PHASE_NAME: self._name,
            },
        )
        return inside(self._span, current_place(), get_current())

    @override
    def see(self, result: Any) -> None:
        if self._product is not None and result is not None and self._telemetry.settings.capture_programs:
            self._telemetry.put_payload(self._span, self._product, as_json(_plain(result)))

    @override
    def close(self, error: BaseException | None) -> None:
        if error is not None:
            mark_failed(self._span, error, self._telemetry.secrets)
        self._span.end()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[Any]", value)]
    return fields(value) if callable(getattr(value, "toDict", None)) else value
