"""Which processors a span may come to later than its call ends, and how a flush of them has it all the same."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, cast

from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy.runtime.deferred_queue import catch_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import SpanProcessor

_Given = ParamSpec("_Given")
_HEARS: Final = frozenset({"on_start", "on_end"})
"""What a processor does with spans."""
_CATCHES_UP: Final = "_otel_dspy_catches_up"


def is_patient(processor: SpanProcessor) -> bool:
    """Whether a span may end later than its call does, as of then: the processor only queues what ends.

    So it is with the SDK's BatchSpanProcessor where nobody has changed these methods, by a subclass or on the object,
    and with those that say so by an attribute `takes_late_ends = True`.
    """
    if getattr(processor, "takes_late_ends", False):
        return True
    kind = type(processor)
    return (
        issubclass(kind, BatchSpanProcessor)
        and kind.on_start is BatchSpanProcessor.on_start
        and kind.on_end is BatchSpanProcessor.on_end
        and _HEARS.isdisjoint(getattr(processor, "__dict__", ()))
    )


def hears_starts(processor: SpanProcessor) -> bool:
    """Whether a processor does anything when a span starts: the SDK's BatchSpanProcessor does not."""
    own: object = getattr(type(processor), "on_start", None)
    return own is not BatchSpanProcessor.on_start or "on_start" in getattr(processor, "__dict__", ())


def catches_up(processor: SpanProcessor) -> bool:
    """Let what calls have left behind be done before this processor is flushed or shut down, by whomever.

    Returns:
        False if the object takes no methods of its own: nothing may be late then.
    """
    own: dict[str, Any] | None = getattr(processor, "__dict__", None)
    if own is None:
        return False
    if _CATCHES_UP not in own:
        own |= {
            _CATCHES_UP: True,
            "force_flush": _flushing(processor.force_flush),
            "shutdown": _shutting_down(processor.shutdown),
        }
    return True


def _flushing(flush: Callable[_Given, bool]) -> Callable[_Given, bool]:
    @wraps(flush)
    def force_flush(*args: _Given.args, **named: _Given.kwargs) -> bool:
        timeout = cast("int | None", args[0] if args else named.get("timeout_millis"))
        in_time = catch_up(seconds=None if timeout is None else timeout / 1000)
        return bool(flush(*args, **named)) and in_time

    return force_flush


def _shutting_down(end: Callable[_Given, None]) -> Callable[_Given, None]:
    @wraps(end)
    def shutdown(*args: _Given.args, **named: _Given.kwargs) -> None:
        catch_up(last=True)
        end(*args, **named)

    return shutdown
