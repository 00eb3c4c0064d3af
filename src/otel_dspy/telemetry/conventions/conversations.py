"""Conversation of a call: `session.id`, and `gen_ai.conversation.id` where the GenAI conventions define it.

Set with `conversation`, or by the baggage entry `session.id` of an upstream service.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import cache
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

_logger = logging.getLogger("otel_dspy")

SESSION_ID: Final = "session.id"
"""Attribute by which backends group traces (OpenTelemetry's session conventions), and name of the baggage entry."""
_KEY: Final = create_key("otel_dspy.conversation")
_BAGGAGE: Final = next(iter(baggage.set_baggage(SESSION_ID, "", Context())))
"""Context key of baggage: a fast check, because every span is checked and few contexts have baggage."""


@contextmanager
def conversation(identity: str | None) -> Generator[None]:
    """Mark the DSPy calls of this block as turns of one conversation.

    Args:
        identity: any text, the same for every turn. It is exported on spans only: unlike baggage it is not sent to the
            servers that are called. One of more than 250 characters, which MLflow rejects, is not logged to MLflow. An
            empty text sets none. Nor does None, as of a request without a session, but a `session.id` in the baggage
            counts then. A value of another type sets none and is logged as a warning, once for each type: an error
            would end the request that the block answers.
    """
    _check(identity)
    token = attach(set_value(_KEY, identity))
    try:
        yield
    finally:
        detach(token)


def _check(identity: object) -> None:
    if identity is not None and not isinstance(identity, str):
        _warn_of_type(type(identity).__name__)


@cache
def _warn_of_type(name: str) -> None:
    _logger.warning(
        "conversation(identity=...): a value of type %s is not a text, so that these calls have no conversation id; "
        "use conversation(str(...))",
        name,
    )


def current_conversation(context: Context | None = None) -> str | None:
    """Return the conversation id of calls in this context; None if none is set."""
    if context is None:
        context = get_current()
    identity = context.get(_KEY)
    if identity is None and _BAGGAGE in context:
        identity = baggage.get_baggage(SESSION_ID, context)
    return identity if isinstance(identity, str) and identity else None


class ConversationTracer(DelegatingTracer):
    """Adds the conversation id to spans at their start, so that samplers receive it."""

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
        if context is None or _KEY in context or _BAGGAGE in context:  # few calls are part of a conversation
            identity = current_conversation(context)
            if identity is not None:
                attributes = {**(attributes or {}), SESSION_ID: identity}
        if more or named:
            return self._tracer.start_span(name, context, kind, attributes, *more, **named)
        return self._tracer.start_span(name, context, kind, attributes)  # takes less time without unpacking
