"""Base class of the hooks for adapters and interpreters: a span with the input and the output of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import set_value
from typing_extensions import override

from otel_dspy.hooks.patching.call_hook import CallHook
from otel_dspy.telemetry.call_context import call_context_in, context_for_call, inside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.emitter import Telemetry


class ComponentHook(CallHook):
    """Records a call of a module's component. A subclass sets `part`, and calls `start` in its `open`."""

    def __init__(self, telemetry: Telemetry, instance: Any, operation: str, given: Any) -> None:
        """Create the hook of one call.

        Args:
            telemetry: provides the tracer and the content settings.
            instance: the component.
            operation: the name of the called method.
            given: the input of the call.
        """
        self._telemetry = telemetry
        self._instance = instance
        self._operation = operation
        self._given = given

    def start(self, name: str, attributes: Mapping[str, AttributeValue], given_as: str, running: str) -> Context:
        """Start the span and return its context.

        Args:
            name: the span's name.
            attributes: the span's attributes at its start.
            given_as: the content attribute of the input.
            running: the context key of the running (`id` of the instance, operation), so that a call of `super()`
                gets no span of its own.
        """
        context = context_for_call(self._instance)
        self._span = self._telemetry.tracer.start_span(name, context=context, attributes=attributes)
        self.put(given_as, self._given)
        return inside(
            self._span, call_context_in(context), set_value(running, (id(self._instance), self._operation), context)
        )

    def put(self, name: str, value: Any) -> None:
        """Set a content attribute if content is captured and the value is not None."""
        if value is not None and self._telemetry.settings.capture_content and self._span.is_recording():
            attributes: dict[str, AttributeValue] = {}
            self._telemetry.content.put(attributes, name, value)
            self._span.set_attributes(attributes)

    @override
    def close(self, error: BaseException | None) -> None:
        self._telemetry.end_span(self._span, error)
