"""Conventions of others beside ours: when a span ends, what it says is said in their words too.

Nothing here runs unless the setting `extra_conventions` asks for it: then the tracer is another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import SpanKind
from typing_extensions import override

from otel_dspy.runtime.guard import guarded
from otel_dspy.settings import ExtraConvention
from otel_dspy.telemetry.conventions.openinference import openinference
from otel_dspy.telemetry.delegating_tracer import DelegatingTracer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import Attributes, AttributeValue

    Translator = Callable[[Mapping[str, AttributeValue], int | None], Mapping[str, AttributeValue]]
    """Gives what there is to add, from (a span's attributes, how many more it has room for; None = any number)."""

_TRANSLATORS: Final[Mapping[ExtraConvention, Translator]] = {ExtraConvention.OPENINFERENCE: openinference}


def with_extra_conventions(tracer: Tracer, conventions: Collection[ExtraConvention]) -> Tracer:
    """The tracer itself, or where there are conventions one whose spans tell them too."""
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
        # One that isn't recorded has nothing to say; one of another SDK may not tell what it holds.
        if span.is_recording() and hasattr(span, "attributes"):
            with guarded("the words of another convention"):
                _translate_at_end(span, self._translators)
        return span


def _translate_at_end(started: Span, translators: Sequence[Translator]) -> None:
    """Let this one span translate itself when it is ended: by then all is said, and afterwards it takes no more."""
    span: Any = started

    def end(end_time: int | None = None) -> None:
        del span.end  # the class's own is what is left
        for translate in translators:
            with guarded("the words of another convention"):
                said: Mapping[str, AttributeValue] = span.attributes
                # A span that is full lets go of what it was told first.
                limit: int | None = getattr(getattr(span, "_limits", None), "max_span_attributes", None)
                further = translate(said, None if limit is None else limit - len(said))
                # What the user's own code has put there under such a name stays.
                span.set_attributes({name: value for name, value in further.items() if name not in said})
        span.end(end_time)

    span.end = end
