"""End of calls that are recorded with opentelemetry-util-genai, and filtered texts for their messages."""

from __future__ import annotations

import timeit
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

from opentelemetry.util.genai.types import Error, TextPart

from otel_dspy.runtime.guard import guarded
from otel_dspy.serialization.plain_data import bounded
from otel_dspy.telemetry.deferred.tracer import deferred_span
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
    """End an invocation, with the error if the call raised. See `mark_failed` for spans that are not recorded.

    Args:
        telemetry: the emitter of spans, events and metrics.
        invocation: the invocation of `opentelemetry-util-genai`.
        error: what the call raised, if anything.
    """
    _finish(invocation, _failure(telemetry, invocation.span, error))


def end_call(
    telemetry: Telemetry,
    call: InferenceCall | InferenceInvocation,
    error: BaseException | None,
    record: Callable[[InferenceInvocation], object],
) -> None:
    """End a language model call, on the deferred queue if possible.

    Args:
        telemetry: the telemetry facade.
        call: the call.
        error: the exception that it raised, if any.
        record: sets the final data on the library's invocation; same requirements as in `Telemetry.before_end`.
    """
    failure = _failure(telemetry, call.span, error)
    if not isinstance(call, InferenceCall):
        _record_and_finish(call, failure, record)
        return
    deferred = deferred_span(call.span)
    if deferred is not None:
        deferred.mark_ended()
    # A call that is not recorded has only metrics and can be deferred; a log event carries the time of its emission.
    if (deferred is not None or not call.span.is_recording()) and not call.has_event:
        work = call, failure, record, timeit.default_timer()
        if telemetry.observed:
            telemetry.later.put(_PART, copy_context().run, _finish_call, *work)
        else:
            telemetry.later.put(_PART, _finish_call, *work)
    else:
        _record_and_finish(call.invocation(), failure, record)


def _finish_call(
    call: InferenceCall, failure: Error | None, record: Callable[[InferenceInvocation], object], ended: float
) -> None:
    """Finish an ended call; `ended` is its end time by `timeit.default_timer`."""
    _record_and_finish(call.invocation(late=timeit.default_timer() - ended), failure, record)


def _record_and_finish(
    invocation: InferenceInvocation, failure: Error | None, record: Callable[[InferenceInvocation], object]
) -> None:
    try:
        with guarded(_PART):
            record(invocation)
    finally:
        _finish(invocation, failure)  # also after a KeyboardInterrupt


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
    """Serialize any object as filtered text: JSON unless it is a string, redacted, without secrets, truncated.

    Args:
        telemetry: the telemetry facade.
        name: name of the attribute, for the redactor.
        value: any object.
    """
    return telemetry.content.cleaned(name, bounded(value))


def text_parts(telemetry: Telemetry, name: str, value: object) -> list[MessagePart]:
    """Return the text of `clean_text` as the only part of a message.

    Args:
        telemetry: the emitter of spans, events and metrics.
        name: the attribute that the message is part of.
        value: the message's content.
    """
    return [TextPart(content=clean_text(telemetry, name, value))]
