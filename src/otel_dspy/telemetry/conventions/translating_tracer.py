"""Tracer that adds attributes of other semantic conventions when a span ends.

Used only if the setting `extra_conventions` is not empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import SpanKind
from typing_extensions import override

from otel_dspy.runtime.error_guard import guarded
from otel_dspy.settings import ExtraConvention
from otel_dspy.telemetry.conventions.openinference import openinference
from otel_dspy.telemetry.delegating_tracer import DelegatingTracer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import Attributes, AttributeValue

    Translator = Callable[[Mapping[str, AttributeValue], int | None], Mapping[str, AttributeValue]]
    """Returns the attributes to add, given a span's attributes and how many more fit (None = no limit)."""

_TRANSLATORS: Final[Mapping[ExtraConvention, Translator]] = {ExtraConvention.OPENINFERENCE: openinference}


def with_extra_conventions(tracer: Tracer, conventions: Collection[ExtraConvention]) -> Tracer:
    """Return the tracer unchanged, or a wrapper that adds the attributes of these conventions, if there are any."""
    return _TranslatingTracer(tracer, [_TRANSLATORS[one] for one in sorted(conventions)]) if conventions else tracer


class _TranslatingTracer(DelegatingTracer):
    def __init__(self, tracer: Tracer, translators: Sequence[Translator]) -> None:
        super().__init__(tracer)
        self._translators = translators

    @override
    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        *more: Any,
        **named: Any,
    ) -> Span:
        span = self._tracer.start_span(name, context, kind, attributes, *more, **named)
        # A span that is not recorded has no attributes; a span of another SDK may not expose them.
        if span.is_recording() and hasattr(span, "attributes"):
            with guarded("an extra convention"):
                _translate_at_end(span, self._translators)
        return span


def _translate_at_end(started: Span, translators: Sequence[Translator]) -> None:
    """Translate the attributes of a span in `end`, when they are complete and can still be set."""
    span: Any = started

    def end(end_time: int | None = None) -> None:
        del span.end  # restores the method of the class
        for translate in translators:
            with guarded("an extra convention"):
                present: Mapping[str, AttributeValue] = span.attributes
                # A span drops its oldest attributes when it exceeds the limit.
                limit: int | None = getattr(getattr(span, "_limits", None), "max_span_attributes", None)
                further = translate(present, None if limit is None else limit - len(present))
                # Attributes that the user's code has set take precedence.
                span.set_attributes({name: value for name, value in further.items() if name not in present})
        span.end(end_time)

    span.end = end
