"""Recording of exceptions on spans: the type on every span, the message on the innermost one and on control spans."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.exception_attributes import EXCEPTION_MESSAGE
from opentelemetry.trace import Status, StatusCode
from opentelemetry.util.genai.utils import fq_exception_type

from otel_dspy.budget import BudgetExceeded

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from otel_dspy.telemetry.content.content_filter import ContentFilter


_OF_A_PARSE_ERROR: Final = {"adapter_name", "signature", "lm_response"}
"""Attributes of DSPy's `AdapterParseError` (dspy/utils/exceptions.py of 3.4.1)."""

_last_recorded: ContextVar[BaseException | None] = ContextVar("otel_dspy.last_recorded_error", default=None)
# The exception whose message an inner span has recorded, so that enclosing spans do not repeat it. Kept only until the
# outermost call ends: exceptions support no weak references, an attribute on them would be visible to the user, and an
# `id` is reused immediately, so that a loop of failures would lose all messages but the first.


def error_type(error: BaseException) -> str:
    """Return the value of `error.type`: the qualified class name, as in OpenTelemetry's exception events."""
    return fq_exception_type(error)


def error_message(error: BaseException, content: ContentFilter, *, repeat: bool = False) -> str | None:
    """Return the filtered message of an exception.

    Args:
        error: the exception.
        content: decides whether its message is recorded. That of an exceeded budget has no content.
        repeat: whether to return the message of the exception that was recorded last here (see `forget`) too.

    Returns:
        The message; None if it may not be recorded, or if an inner span has it.
    """
    if isinstance(error, BudgetExceeded):
        return str(error)
    if _last_recorded.get() is error and not repeat:
        return None
    _last_recorded.set(error)
    return content.message(EXCEPTION_MESSAGE, describe(error))


last_recorded_error: Final = _last_recorded.get
"""Returns the exception recorded last in this context, to report one that the user's code has caught."""


def forget() -> None:
    """Clear the exception recorded last. Called when the outermost call ends: the same object may be raised again."""
    _last_recorded.set(None)


def describe(error: BaseException) -> str:
    """Return the exception's text, or the type's name if its `__str__` raises.

    The text of DSPy's parse errors contains the model's response, which is content, and is replaced by a summary.
    """
    try:
        if vars(error).keys() >= _OF_A_PARSE_ERROR:
            parse_error: Any = error
            wanted = ", ".join(parse_error.signature.output_fields)
            return f"{parse_error.adapter_name} could not parse the model's answer; it should have held: {wanted}"
        return str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
        return type(error).__name__


def mark_failed(span: Span, error: BaseException, content: ContentFilter, *, control: bool = False) -> None:
    """Set `error.type` and the status ERROR. A span that is not recorded leaves the message to an enclosing span.

    Args:
        span: the span of the failed call.
        error: what the call raised.
        content: decides whether the error's message is recorded.
        control: whether the span becomes a run, which shows the message too, even if an inner span has it.
    """
    if not span.is_recording():
        return
    span.set_attribute(ERROR_TYPE, error_type(error))
    span.set_status(Status(StatusCode.ERROR, error_message(error, content, repeat=control)))
