"""End of calls that are recorded with opentelemetry-util-genai, and filtered texts for their messages."""

from __future__ import annotations

import time
import timeit
from functools import partial
from typing import TYPE_CHECKING, Final

from opentelemetry.util.genai.types import Error, TextPart

from otel_dspy.runtime.error_guard import report
from otel_dspy.serialization.plain_data import bounded
from otel_dspy.telemetry.deferred.span_ends import end_at, replace_end
from otel_dspy.telemetry.exceptions import error_message, error_type
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
    failure = None if error is None else _failure(telemetry, invocation.span, error)
    _finish(telemetry, invocation, failure)


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
    failure = None if error is None else _failure(telemetry, call.span, error)
    if not isinstance(call, InferenceCall):
        _record(call, record, lambda: _finish(telemetry, call, failure))
        return
    deferrable = telemetry.ends.can_defer(call.span)
    has_span = deferrable or call.span.is_recording()
    # A call that is not recorded has only metrics and can be deferred; a log event carries the time of its emission.
    if call.has_event or (has_span and not deferrable):
        invocation = call.invocation()
        _record(invocation, record, lambda: _finish(telemetry, invocation, failure))
        return
    at = time.time_ns() if has_span else None
    telemetry.ends.submit(_PART, _finish_deferred, call, failure, record, timeit.default_timer(), at)


def _finish_deferred(
    call: InferenceCall,
    failure: Error | None,
    record: Callable[[InferenceInvocation], object],
    ended: float,
    at: int | None,
) -> None:
    """Finish an ended call; `ended` is its end time by `timeit.default_timer`, `at` that of its recorded span."""
    invocation = call.invocation(late=timeit.default_timer() - ended)
    finish = partial(_apply, invocation, failure)
    if at is None or not call.span.is_recording():  # the application has ended it
        _record(invocation, record, finish)
    elif invocation.is_completable:
        try:
            _record(invocation, record, partial(invocation.complete, failure))
        finally:
            end_at(call.span, at)
    else:
        _record(invocation, record, lambda: replace_end(call.span, finish, partial(call.span.end, at)))


def _record(
    invocation: InferenceInvocation, record: Callable[[InferenceInvocation], object], finish: Callable[[], object]
) -> None:
    try:
        record(invocation)
    except Exception as failure:  # noqa: BLE001 - reported; no `guarded`, which takes three calls of functions
        report(_PART, failure)
    finally:
        finish()  # also after a KeyboardInterrupt


def _finish(telemetry: Telemetry, invocation: GenAIInvocation, failure: Error | None) -> None:
    """Finish an invocation; its span's end is deferred if possible, after the spans of the calls inside."""
    span, finish = invocation.span, partial(_apply, invocation, failure)
    if telemetry.ends.can_defer(span):
        replace_end(span, finish, partial(telemetry.end_span, span))
    else:
        finish()


def _apply(invocation: GenAIInvocation, failure: Error | None) -> None:
    if failure is None:
        invocation.stop()
    else:
        invocation.fail(failure)


def _failure(telemetry: Telemetry, span: Span, error: BaseException) -> Error:
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
