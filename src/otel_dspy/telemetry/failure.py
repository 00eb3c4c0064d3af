"""An exception on a span: its type always, its message once, on the span where it arose."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import Status, StatusCode
from opentelemetry.util.genai.utils import fq_exception_type

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from otel_dspy.telemetry.secrets import SecretKeeper


class _Told(threading.local):
    """Which exception this thread's spans told of last, so that the spans around don't repeat its message.

    Only its id is kept: a reference would keep the user's frames alive. A reused id costs one message, no more.
    """

    exception: int | None = None


_told = _Told()


def error_type(error: BaseException) -> str:
    """The value of `error.type`: the class's name with its module, as OpenTelemetry's exception events write it."""
    return fq_exception_type(error)


def error_message(error: BaseException, secrets: SecretKeeper) -> str | None:
    """The exception's message without secrets, the first time this thread asks for it; None afterwards."""
    if _told.exception == id(error):
        return None
    _told.exception = id(error)
    return secrets.scrub(describe(error))


def describe(error: BaseException) -> str:
    """The exception's text; a user's class whose `__str__` raises is named by its type."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
        return type(error).__name__


def mark_failed(span: Span, error: BaseException, secrets: SecretKeeper) -> None:
    """Set `error.type` and status ERROR on the span."""
    span.set_attribute(ERROR_TYPE, error_type(error))
    span.set_status(Status(StatusCode.ERROR, error_message(error, secrets)))
