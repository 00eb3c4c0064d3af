"""The watch of a part of a module's work, an adapter's or an interpreter's call: a span, what goes in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import set_value
from typing_extensions import override

from otel_dspy.hooks.patching.call_hook import CallHook
from otel_dspy.telemetry.call_context import call_context_in, entered, inside
from otel_dspy.telemetry.failure import mark_failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.emitter import Telemetry


class PartHook(CallHook):
    """A subclass names `part`, and starts the span with `start` in its `open`."""

    def __init__(self, telemetry: Telemetry, instance: Any, operation: str, given: Any) -> None:
        """Create it.

        Args:
            telemetry: what speaks.
            instance: what is called.
            operation: the name of its method.
            given: what goes in.
        """
        self._telemetry = telemetry
        self._instance = instance
        self._operation = operation
        self._given = given

    def start(self, name: str, attributes: Mapping[str, AttributeValue], given_as: str, running: str) -> Context:
        """Start the span; the context inside of it.

        Args:
            name: the span's.
            attributes: the span's, from its start.
            given_as: the content attribute of what goes in.
            running: the context key under which (`id` of the instance, operation) stands while the call runs, so that
                `super()`'s is a part of it.
        """
        context = entered(self._instance)
        self._span = self._telemetry.tracer.start_span(name, context=context, attributes=attributes)
        self.put(given_as, self._given)
        return inside(
            self._span, call_context_in(context), set_value(running, (id(self._instance), self._operation), context)
        )

    def put(self, name: str, value: Any) -> None:
        """Add content, where content is captured; None is nothing to tell."""
        if value is not None and self._telemetry.settings.capture_content and self._span.is_recording():
            attributes: dict[str, AttributeValue] = {}
            self._telemetry.content.put(attributes, name, value)
            self._span.set_attributes(attributes)

    @override
    def close(self, error: BaseException | None) -> None:
        if error is not None:
            mark_failed(self._span, error, self._telemetry.content)
        self._span.end()
