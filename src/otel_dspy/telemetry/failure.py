"""An exception on a span: its type always, its message once, on the span where it arose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import Status, StatusCode
from opentelemetry.util.genai.utils import fq_exception_type

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from otel_dspy.telemetry.secrets import SecretKeeper


_TOLD: Final = "_otel_dspy_told"
# A mark on the exception itself, so that the spans around don't repeat its message. Exceptions take no weak references,
# a strong one would keep the user's frames alive, and an id is given again at once: a loop of failures would lose all
# messages but the first.


def error_type(error: BaseException) -> str:
    """The value of `error.type`: the class's name with its module, as OpenTelemetry's exception events write it."""
    return fq_exception_type(error)


def error_message(error: BaseException, secrets: SecretKeeper) -> str | None:
    """The exception's message without secrets, the first time it is asked for; None afterwards."""
    # Past a class's own __getattr__ and __setattr__: a frozen dataclass raises there.
    marks = vars(error)
    if _TOLD in marks:
        return None
    marks[_TOLD] = True
    return secrets.scrub(describe(error))


def describe(error: BaseException) -> str:
    """The exception's text; a user's class whose `__str__` raises is named by its type."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
        return type(error).__name__


def mark_failed(span: Span, error: BaseException, secrets: SecretKeeper) -> None:
    """Set `error.type` and status ERROR on the span. A span that is not recorded leaves the message to another one."""
    if not span.is_recording():
        return
    span.set_attribute(ERROR_TYPE, error_type(error))
    span.set_status(Status(StatusCode.ERROR, error_message(error, secrets)))
