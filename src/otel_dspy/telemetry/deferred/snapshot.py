"""The SDK's span as processors get it in the end, made from all that is known by then.

The SDK makes two objects of a span: one that a program writes to, of which the second one, for processors, is made when
it ends. Of a span that nobody has asked for, the first would be made for nothing. What is in the second one is what
`Span.__init__` and `Span.end` of opentelemetry-sdk (1.43 to 1.45) put there; a test holds it against those.
"""

from __future__ import annotations

from inspect import getattr_static
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import (
    ReadableSpan,
    SpanProcessor,
    _Span,  # pyright: ignore[reportPrivateUsage] - the class of every span that a tracer makes
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from otel_dspy.telemetry.deferred.sdk_tracer import is_the_sdks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import SpanLimits
    from opentelemetry.util.types import AnyValue

    from otel_dspy.telemetry.deferred.sdk_tracer import Decision
    from otel_dspy.telemetry.deferred.tracer import Beginning

_ENDING: Final = "_on_ending"
_DEAF: Final = [
    getattr_static(kind, _ENDING, None) for kind in (SpanProcessor, SimpleSpanProcessor, BatchSpanProcessor)
]
"""What processors do with a span that is about to end: nothing, in these."""
_STEPS: Final = ("__init__", "start", "set_attribute", "set_attributes", "end", "_readable_span")
"""Of a span of the SDK's: what is left out, or done here in its stead."""


def can_tell(tracer: object, processors: Sequence[SpanProcessor]) -> bool:
    """Whether a tracer of the SDK's ends spans as this does, and no processor looks at one that is about to."""
    return (
        all(hasattr(tracer, name) for name in ("_span_limits", "_instrumentation_scope", "instrumentation_info"))
        and all(is_the_sdks(_Span, step) for step in _STEPS)
        and is_the_sdks(ReadableSpan, "__init__")
        and all(map(_is_deaf, processors))
    )


def _is_deaf(processor: SpanProcessor) -> bool:
    ending = getattr_static(type(processor), _ENDING, None)
    return any(ending is deaf for deaf in _DEAF) and _ENDING not in vars(processor)


def ended_span(
    tracer: Any,  # noqa: ANN401 - some of it is private
    decision: Decision,
    beginning: Beginning,
    said: Sequence[Mapping[str, AnyValue]],
    at: int | None,
) -> ReadableSpan:
    """Make it.

    Args:
        tracer: the SDK's.
        decision: what was settled when it started.
        beginning: what it was started as.
        said: attributes that it was given since, each as with `Span.set_attributes`.
        at: when it ended, in nanoseconds since the epoch.
    """
    limits: SpanLimits = tracer._span_limits  # noqa: SLF001 - the SDK has no other name for these two
    return ReadableSpan(
        name=beginning.name,
        context=decision.own,
        parent=decision.around,
        resource=decision.resource,
        attributes=_attributes(limits, decision.attributes, said),
        links=_Limited(limits).taken(beginning.links) if beginning.links else (),
        kind=beginning.kind,
        instrumentation_info=tracer.instrumentation_info,
        start_time=beginning.start_time,
        end_time=at,
        instrumentation_scope=tracer._instrumentation_scope,  # noqa: SLF001 - see above
    )


def _attributes(
    limits: SpanLimits, first: Mapping[str, AnyValue], said: Sequence[Mapping[str, AnyValue]]
) -> BoundedAttributes:
    # All in one step takes a third of the time; the SDK treats those that are said twice in their order.
    together: dict[str, Any] = {**first}
    steps = list(said)
    while steps and together.keys().isdisjoint(steps[0]):
        together |= steps.pop(0)
    attributes = BoundedAttributes(
        limits.max_span_attributes, together, immutable=not steps, max_value_len=limits.max_span_attribute_length
    )
    as_a_span: Any = attributes
    for more in steps:
        as_a_span._set_items(more)  # noqa: SLF001 - as the SDK's spans do
    as_a_span._immutable = True  # noqa: SLF001 - the same
    return attributes


class _Limited:
    """As much of a span as the SDK needs to take its links."""

    taken: Any = _Span._new_links  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - only a span has it

    def __init__(self, limits: SpanLimits) -> None:
        self._limits = limits
