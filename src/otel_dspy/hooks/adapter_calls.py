"""Adapters on demand: `adapter` spans around `format` and `parse`, with the setting `capture_adapters` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import create_key, get_value, set_value
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.around import Watch, around
from otel_dspy.hooks.families import wrap_family
from otel_dspy.telemetry.failure import mark_failed
from otel_dspy.telemetry.scopes import entered, inside, place_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.hooks.around import Args, Kwargs
    from otel_dspy.hooks.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry

_INPUTS: Final = {"format": "inputs", "parse": "completion"}
"""The operations, with the argument that holds what goes in; it is each one's last."""
_RUNNING: Final = create_key("otel_dspy.adapter")
"""(`id` of the adapter, operation) that runs, so that `super().format()` is a part of it."""


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Watch `format` and `parse` of every adapter, those defined later too, where the setting asks for it."""
    if not telemetry.settings.capture_adapters:
        return
    from dspy.adapters.base import Adapter  # noqa: PLC0415 - dspy is imported when it is instrumented

    def watcher(operation: str) -> Callable[..., Watch | None]:
        def watch(_wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Watch | None:
            if get_value(_RUNNING) == (id(instance), operation):
                return None
            given = kwargs.get(_INPUTS[operation], args[-1] if args else None)
            return _AdapterWatch(telemetry, instance, operation, given)

        return watch

    for operation in _INPUTS:
        watch = watcher(operation)
        wrap_family(patches, Adapter, operation, lambda _, watch=watch: around(watch))


class _AdapterWatch(Watch):
    part = "the span of an adapter"

    def __init__(self, telemetry: Telemetry, adapter: Any, operation: str, given: Any) -> None:
        super().__init__()
        self._telemetry = telemetry
        self._adapter = adapter
        self._operation = operation
        self._given = given

    @override
    def open(self) -> Context:
        kind = type(self._adapter).__name__
        context = entered(self._adapter)
        self._span = self._telemetry.tracer.start_span(
            semconv.SPAN_DSPY_ADAPTER.format(self._operation, kind),
            context=context,
            attributes={
                semconv.DSPY_OPERATION_NAME: "adapter",
                semconv.DSPY_ADAPTER_OPERATION: self._operation,
                semconv.DSPY_ADAPTER_TYPE: kind,
            },
        )
        self._put(semconv.DSPY_ADAPTER_INPUT, self._given)
        running = set_value(_RUNNING, (id(self._adapter), self._operation), context)
        return inside(self._span, place_in(context), running)

    @override
    def see(self, result: Any) -> None:
        self._put(semconv.DSPY_ADAPTER_OUTPUT, result)

    @override
    def close(self, error: BaseException | None) -> None:
        if error is not None:
            mark_failed(self._span, error, self._telemetry.secrets)
        self._span.end()

    def _put(self, name: str, value: Any) -> None:
        if self._telemetry.settings.capture_content and self._span.is_recording():
            attributes: dict[str, AttributeValue] = {}
            self._telemetry.content.put(attributes, name, value)
            self._span.set_attributes(attributes)
