"""How a call that opentelemetry-util-genai speaks for ends, and the texts that it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.util.genai.types import Error, TextPart

from otel_dspy.telemetry.failure import error_message, error_type

if TYPE_CHECKING:
    from opentelemetry.util.genai.invocation import GenAIInvocation
    from opentelemetry.util.genai.types import MessagePart

    from otel_dspy.telemetry.emitter import Telemetry


def end_invocation(telemetry: Telemetry, invocation: GenAIInvocation, error: BaseException | None) -> None:
    """End the call's span, as failed where it raised. A span that is not recorded leaves the message to another one."""
    if error is None:
        invocation.stop()
    else:
        message = error_message(error, telemetry.secrets) if invocation.span.is_recording() else None
        invocation.fail(Error(message=message, type=error_type(error), exception=error))


def clean_text(telemetry: Telemetry, value: object) -> str:
    """Any object as a text that may leave: JSON unless it is a string, redacted, without secrets, cut to length."""
    attributes: dict[str, Any] = {}
    telemetry.content.put(attributes, "value", value)
    return attributes["value"]


def text_parts(telemetry: Telemetry, value: object) -> list[MessagePart]:
    """The same as the one part of a message."""
    return [TextPart(content=clean_text(telemetry, value))]
