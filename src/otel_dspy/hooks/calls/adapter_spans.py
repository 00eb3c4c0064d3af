"""Hook for adapters: `adapter` spans around `format` and `parse`, if the setting `capture_adapters` is on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import create_key, get_value
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.calls.component_hook import ComponentHook
from otel_dspy.hooks.patching.call_hook import wrap_call
from otel_dspy.hooks.patching.subclasses import wrap_with_subclasses

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Args, CallHook, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry

_INPUTS: Final = {"format": "inputs", "parse": "completion"}
"""Operation -> the argument recorded as its input, which is the last one."""
_RUNNING: Final = create_key("otel_dspy.adapter")
"""Context key of the running (`id` of the adapter, operation), so that `super().format()` gets no span of its own."""


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `format` and `parse` of every adapter, including classes defined later, if `capture_adapters` is on."""
    if not telemetry.settings.capture_adapters:
        return
    from dspy.adapters.base import Adapter  # noqa: PLC0415 - dspy is imported when it is instrumented

    def hook_factory(operation: str) -> Callable[..., CallHook | None]:
        def create_hook(_wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            if get_value(_RUNNING) == (id(instance), operation):
                return None
            given = kwargs.get(_INPUTS[operation], args[-1] if args else None)
            return _AdapterHook(telemetry, instance, operation, given)

        return create_hook

    for operation in _INPUTS:
        create_hook = hook_factory(operation)
        wrap_with_subclasses(patches, Adapter, operation, lambda _, create_hook=create_hook: wrap_call(create_hook))


class _AdapterHook(ComponentHook):
    part = "the span of an adapter"

    @override
    def open(self) -> Context:
        kind = type(self._instance).__name__
        return self.start(
            semconv.SPAN_DSPY_ADAPTER.format(self._operation, kind),
            {
                semconv.DSPY_OPERATION_NAME: "adapter",
                semconv.DSPY_ADAPTER_OPERATION: self._operation,
                semconv.DSPY_ADAPTER_TYPE: kind,
            },
            semconv.DSPY_ADAPTER_INPUT,
            _RUNNING,
        )

    @override
    def record_result(self, result: Any) -> None:
        self.put(semconv.DSPY_ADAPTER_OUTPUT, result)
