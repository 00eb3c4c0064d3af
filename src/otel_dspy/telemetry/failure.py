"""An exception on a span: its type always, its message once, on the span where it arose."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.exception_attributes import EXCEPTION_MESSAGE
from opentelemetry.trace import Status, StatusCode
from opentelemetry.util.genai.utils import fq_exception_type

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from otel_dspy.telemetry.content import ContentFilter


_OF_A_PARSE_ERROR: Final = {"adapter_name", "signature", "lm_response"}
"""Attributes of DSPy's `AdapterParseError` (dspy/utils/exceptions.py of 3.4.1)."""

_told: ContextVar[BaseException | None] = ContextVar("otel_dspy.told", default=None)
# The exception whose message a span inside has told, so that the spans around don't repeat it. Held only until the
# outermost call ends: exceptions take no weak references, a mark on them would be seen by the user, and an id is given
# again at once, so that a loop of failures would lose all messages but the first.


def error_type(error: BaseException) -> str:
    """The value of `error.type`: the class's name with its module, as OpenTelemetry's exception events write it."""
    return fq_exception_type(error)


def error_message(error: BaseException, content: ContentFilter) -> str | None:
    """The exception's message as it may leave; None if it was the last that was told here (see `forget`)."""
    if _told.get() is error:
        return None
    _told.set(error)
    return content.message(EXCEPTION_MESSAGE, describe(error))


def told_last() -> BaseException | None:
    """The exception whose message was told last here, so that one that a user's call swallowed can be named."""
    return _told.get()


def forget() -> None:
    """Let go of the exception told last: the outermost call has ended, and the same one may be raised anew."""
    _told.set(None)


def describe(error: BaseException) -> str:
    """The exception's text; a user's class whose `__str__` raises is named by its type.

    DSPy's parse errors repeat the model's answer, which is content: that stands on the call's own span, if it may.
    """
    try:
        if vars(error).keys() >= _OF_A_PARSE_ERROR:
            parse_error: Any = error
            wanted = ", ".join(parse_error.signature.output_fields)
            return f"{parse_error.adapter_name} could not parse the model's answer; it should have held: {wanted}"
        return str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
        return type(error).__name__


def mark_failed(span: Span, error: BaseException, content: ContentFilter) -> None:
    """Set `error.type` and status ERROR on the span. A span that is not recorded leaves the message to another one."""
    if not span.is_recording():
        return
    span.set_attribute(ERROR_TYPE, error_type(error))
    span.set_status(Status(StatusCode.ERROR, error_message(error, content)))
