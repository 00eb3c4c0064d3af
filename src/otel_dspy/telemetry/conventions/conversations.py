"""The conversation that a call is a part of: `session.id`, and `gen_ai.conversation.id` where the standard has it.

A user says so with `conversation`, or by the baggage entry `session.id` that a service before this one sent along.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import baggage
from opentelemetry.context import Context, attach, create_key, detach, get_current, set_value
from opentelemetry.trace import SpanKind
from typing_extensions import override

from otel_dspy.telemetry.delegating_tracer import DelegatingTracer

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.trace import Span
    from opentelemetry.util.types import Attributes

SESSION_ID: Final = "session.id"
"""The attribute that backends group traces by (OpenTelemetry's session conventions), and the baggage entry."""
_KEY: Final = create_key("otel_dspy.conversation")
_BAGGAGE: Final = next(iter(baggage.set_baggage(SESSION_ID, "", Context())))
"""Where baggage stands in a context. Every span asks; few have any."""


@contextmanager
def conversation(identity: str) -> Generator[None]:
    """Say that the DSPy calls of this block are turns of one conversation.

    Args:
        identity: the same text for every turn, of the user's choosing. It leaves this process on spans alone: unlike
            baggage it is not sent to the servers that are called. MLflow takes up to 250 characters.
    """
    token = attach(set_value(_KEY, identity))
    try:
        yield
    finally:
        detach(token)


def current_conversation(context: Context | None = None) -> str | None:
    """The conversation that a call in this context is a part of; None = in none, or nobody said so."""
    if context is None:
        context = get_current()
    identity = context.get(_KEY)
    if identity is None and _BAGGAGE in context:
        identity = baggage.get_baggage(SESSION_ID, context)
    return identity if isinstance(identity, str) and identity else None


class ConversationTracer(DelegatingTracer):
    """Starts the spans of another tracer with the conversation that they are a part of, so that samplers see it."""

    @override
    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        *more: Any,
        **named: Any,
    ) -> Span:
        identity = current_conversation(context)
        if identity is not None:
            attributes = {**(attributes or {}), SESSION_ID: identity}
        return self._tracer.start_span(name, context, kind, attributes, *more, **named)
