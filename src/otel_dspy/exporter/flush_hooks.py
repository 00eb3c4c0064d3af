"""Hooks that drain the deferred queue before a span processor is flushed or shut down.

Also decides which processors may receive the end of a span after its call has returned.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, cast

from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy.runtime.deferred_queue import drain_deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import SpanProcessor

_Given = ParamSpec("_Given")
_SPAN_METHODS: Final = frozenset({"on_start", "on_end"})
"""Methods by which a processor receives spans."""
_ACCEPTS: Final = ("accepts_deferred_ends", "takes_late_ends")
"""Attributes by which a processor declares it; the second is the deprecated name of the first."""
_HOOKED: Final = "_otel_dspy_drains_on_flush"


def accepts_deferred_ends(processor: SpanProcessor) -> bool:
    """Return whether the processor may receive the end of a span after its call, because it only queues ended spans.

    True for the SDK's BatchSpanProcessor, unless a subclass or the object overrides these methods, and for processors
    with the attribute `accepts_deferred_ends = True`.
    """
    if any(getattr(processor, name, False) for name in _ACCEPTS):
        return True
    kind = type(processor)
    return (
        issubclass(kind, BatchSpanProcessor)
        and kind.on_start is BatchSpanProcessor.on_start
        and kind.on_end is BatchSpanProcessor.on_end
        and _SPAN_METHODS.isdisjoint(getattr(processor, "__dict__", ()))
    )


def drain_before_flush(processor: SpanProcessor) -> bool:
    """Make the processor's `force_flush` and `shutdown` drain the deferred queues first.

    Returns:
        False if the methods of the object cannot be replaced; its spans must not be deferred then.
    """
    own: dict[str, Any] | None = getattr(processor, "__dict__", None)
    if own is None:
        return False
    if _HOOKED not in own:
        own |= {
            _HOOKED: True,
            "force_flush": _flushing(processor.force_flush),
            "shutdown": _shutting_down(processor.shutdown),
        }
    return True


def _flushing(flush: Callable[_Given, bool]) -> Callable[_Given, bool]:
    @wraps(flush)
    def force_flush(*args: _Given.args, **named: _Given.kwargs) -> bool:
        timeout = cast("int | None", args[0] if args else named.get("timeout_millis"))
        in_time = drain_deferred(seconds=None if timeout is None else timeout / 1000)
        return bool(flush(*args, **named)) and in_time

    return force_flush


def _shutting_down(end: Callable[_Given, None]) -> Callable[_Given, None]:
    @wraps(end)
    def shutdown(*args: _Given.args, **named: _Given.kwargs) -> None:
        drain_deferred(last=True)
        end(*args, **named)

    return shutdown
