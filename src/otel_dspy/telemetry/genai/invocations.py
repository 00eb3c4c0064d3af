"""How a call that opentelemetry-util-genai speaks for ends, and the texts that it tells."""

from __future__ import annotations

import timeit
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

from opentelemetry.util.genai.types import Error, TextPart

from otel_dspy.runtime.guard import guarded
from otel_dspy.serialization.plain_data import bounded
from otel_dspy.telemetry.deferred.tracer import late_span
from otel_dspy.telemetry.failure import error_message, error_type
from otel_dspy.telemetry.genai.inference_call import InferenceCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span
    from opentelemetry.util.genai.invocation import GenAIInvocation, InferenceInvocation
    from opentelemetry.util.genai.types import MessagePart

    from otel_dspy.telemetry.emitter import Telemetry

_PART: Final = "the end of a call"


def end_invocation(telemetry: Telemetry, invocation: GenAIInvocation, error: BaseException | None) -> None:
    """End the call's span, as failed where it raised. A span that is not recorded leaves the message to another one."""
    _finish(invocation, _failure(telemetry, invocation.span, error))


def end_call(
    telemetry: Telemetry,
    call: InferenceCall | InferenceInvocation,
    error: BaseException | None,
    tell: Callable[[InferenceInvocation], object],
) -> None:
    """The same of a language model's call, after it if that may be.

    Args:
        telemetry: where it is told.
        call: the call.
        error: what it raised.
        tell: gives the library the last of what is known; as in `Telemetry.before_end`.
    """
    failure = _failure(telemetry, call.span, error)
    if not isinstance(call, InferenceCall):
        _tell_and_finish(call, failure, tell)
        return
    late = late_span(call.span)
    if late is not None:
        late.call_ended()
    # Of a call that is not recorded there are only metrics to tell; a log event says when it was made.
    if (late is not None or not call.span.is_recording()) and not call.has_event:
        work = call, failure, tell, timeit.default_timer()
        if telemetry.observed:
            telemetry.later.put(_PART, copy_context().run, _finish_call, *work)
        else:
            telemetry.later.put(_PART, _finish_call, *work)
    else:
        _tell_and_finish(call.invocation(), failure, tell)


def _finish_call(
    call: InferenceCall, failure: Error | None, tell: Callable[[InferenceInvocation], object], ended: float
) -> None:
    """`ended`: when, by `timeit.default_timer`."""
    _tell_and_finish(call.invocation(late=timeit.default_timer() - ended), failure, tell)


def _tell_and_finish(
    invocation: InferenceInvocation, failure: Error | None, tell: Callable[[InferenceInvocation], object]
) -> None:
    try:
        with guarded(_PART):
            tell(invocation)
    finally:
        _finish(invocation, failure)  # also where Ctrl-C comes in the middle


def _finish(invocation: GenAIInvocation, failure: Error | None) -> None:
    if failure is None:
        invocation.stop()
    else:
        invocation.fail(failure)


def _failure(telemetry: Telemetry, span: Span, error: BaseException | None) -> Error | None:
    if error is None:
        return None
    message = error_message(error, telemetry.content) if span.is_recording() else None
    return Error(message=message, type=error_type(error), exception=error)


def clean_text(telemetry: Telemetry, name: str, value: object) -> str:
    """Any object as a text that may leave: JSON unless it is a string, redacted, without secrets, cut to length.

    `name`: of the attribute that it stands in, for the redactor.
    """
    return telemetry.content.cleaned(name, bounded(value))


def text_parts(telemetry: Telemetry, name: str, value: object) -> list[MessagePart]:
    """The same as the one part of a message."""
    return [TextPart(content=clean_text(telemetry, name, value))]
