"""Snapshot spans: the `ReadableSpan` that processors receive, created directly at the end of a span.

The SDK creates two objects for a span: a writable one, and from it a readable one for the processors at the end. If no
other code accesses the span, the writable one is not needed. The contents of the readable one are those of
`Span.__init__` and `Span.end` of opentelemetry-sdk (1.43 to 1.45); a test compares them.
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
_NO_OPS: Final = [
    getattr_static(kind, _ENDING, None) for kind in (SpanProcessor, SimpleSpanProcessor, BatchSpanProcessor)
]
"""Implementations of `_on_ending` that do nothing."""
_STEPS: Final = ("__init__", "start", "set_attribute", "set_attributes", "end", "_readable_span")
"""Methods of the SDK's span that are skipped or reimplemented here."""


def can_snapshot(tracer: object, processors: Sequence[SpanProcessor]) -> bool:
    """Return whether snapshot spans are equivalent: unmodified SDK classes, and no processor with `_on_ending`."""
    return (
        all(hasattr(tracer, name) for name in ("_span_limits", "_instrumentation_scope", "instrumentation_info"))
        and all(is_the_sdks(_Span, step) for step in _STEPS)
        and is_the_sdks(ReadableSpan, "__init__")
        and all(map(_ignores_ending, processors))
    )


def _ignores_ending(processor: SpanProcessor) -> bool:
    ending = getattr_static(type(processor), _ENDING, None)
    return any(ending is no_op for no_op in _NO_OPS) and _ENDING not in vars(processor)


def snapshot_span(
    tracer: Any,  # noqa: ANN401 - some of it is private
    decision: Decision,
    beginning: Beginning,
    updates: Sequence[Mapping[str, AnyValue]],
    end_time: int | None,
) -> ReadableSpan:
    """Create a snapshot span.

    Args:
        tracer: the SDK's tracer.
        decision: the decision made at the start.
        beginning: arguments of `start_span`.
        updates: attributes set since the start, one mapping for each `Span.set_attributes`.
        end_time: end of the span, in nanoseconds since the epoch.
    """
    limits: SpanLimits = tracer._span_limits  # noqa: SLF001 - no public API
    return ReadableSpan(
        name=beginning.name,
        context=decision.own,
        parent=decision.around,
        resource=decision.resource,
        attributes=_attributes(limits, decision.attributes, updates),
        links=_Limited(limits).taken(beginning.links) if beginning.links else (),
        kind=beginning.kind,
        instrumentation_info=tracer.instrumentation_info,
        start_time=beginning.start_time,
        end_time=end_time,
        instrumentation_scope=tracer._instrumentation_scope,  # noqa: SLF001 - see above
    )


def _attributes(
    limits: SpanLimits, first: Mapping[str, AnyValue], updates: Sequence[Mapping[str, AnyValue]]
) -> BoundedAttributes:
    # A single step takes a third of the time; attributes that are set twice are applied in order, as in the SDK.
    together: dict[str, Any] = {**first}
    steps = list(updates)
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
    """The part of an SDK span that is needed to validate links."""

    taken: Any = _Span._new_links  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - only a span has it

    def __init__(self, limits: SpanLimits) -> None:
        self._limits = limits
