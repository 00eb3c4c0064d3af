"""A span that the SDK has decided on, and that it makes after the call, or as soon as anything more is asked of it.

To make one takes the SDK longer than a hook takes for all the rest. What others need of a span while its call lasts is
its context (trace, id, sampled or not); a sampler and processors have been told of it when it began.
"""

from __future__ import annotations

import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import get_current
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.trace import Span
from typing_extensions import override

from otel_dspy.guard import guarded
from otel_dspy.telemetry.sdk_tracer import decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.trace import Link, SpanContext
    from opentelemetry.util.types import Attributes, AttributeValue

    from otel_dspy.telemetry.late_tracer import Beginning, LateTracer
    from otel_dspy.telemetry.sdk_tracer import Decision

_PART: Final = "the end of a span"


def begin(tracer: LateTracer, sdk: object, beginning: Beginning) -> Span:
    """Start a span of the SDK's tracer inside of ours; one that is not recorded is none of these."""
    decision = decide(sdk, beginning)
    if isinstance(decision, Span):
        return decision
    context = beginning.context
    if context is None:
        beginning = beginning._replace(context=get_current())
    span = LateSpan(tracer, decision, beginning)
    for processor in tracer.hearing:
        processor.on_start(span, parent_context=context)
    return span


class LateSpan(Span):
    """Stands for a span of the SDK's, which it hands everything to that the SDK's tracer has not settled.

    Args:
        tracer: what it was started with.
        decision: what is settled of it.
        beginning: what it was started as.
    """

    __slots__ = ("_beginning", "_decision", "_ended", "_made", "_tell", "at", "tracer")

    ends_late: Final = True
    """See `late_tracer.is_late`."""

    def __init__(self, tracer: LateTracer, decision: Decision, beginning: Beginning) -> None:
        self.tracer = tracer
        self._decision = decision
        self._beginning = beginning
        # A list, since adding to one is atomic: of two threads that make the span at once, the first one's is it.
        self._made: list[Any] = []
        self._ended = False
        self.at: int | None = None
        """When the call ended, nanoseconds since the epoch; None = when the end is asked for."""
        self._tell: tuple[str, Callable[..., object], tuple[object, ...]] | None = None

    def made(self) -> Any:  # noqa: ANN401 - the SDK's span
        """The SDK's span."""
        if not self._made:
            self._made.append(self.tracer.make(self._decision, self._beginning))
        return self._made[0]

    def tell_first(self, part: str, tell: Callable[..., object], *args: object) -> None:
        """Let this be called before it ends; `part`: what a failure of it is reported as."""
        self._tell = part, tell, args

    @override
    def end(self, end_time: int | None = None) -> None:
        """Soon; where it is told, the call's context is current as it would have been at once."""
        self._ended = True
        at = end_time or self.at or time.time_ns()
        if not self.tracer.ends_may_be_late():
            self._end(at)
        elif self._tell is None:
            self.tracer.later.put(_PART, self._end, at)
        else:
            self.tracer.later.put(_PART, copy_context().run, self._end, at)

    def _end(self, at: int) -> None:
        tell, self._tell = self._tell, None
        made = self.made()
        try:
            if tell is not None:
                part, work, args = tell
                with guarded(part):
                    work(*args)
        finally:
            made.end(at)  # also where Ctrl-C comes in the middle

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the SDK's span has
        """What spans of the SDK have beside the interface."""
        if name in LateSpan.__slots__:
            raise AttributeError(name)  # of a copy that has not been filled yet
        return getattr(self.made(), name)

    @property
    def __class__(self) -> type[SdkSpan]:  # pyright: ignore[reportIncompatibleMethodOverride] - for `isinstance`
        """Programs ask whether a span is the SDK's before they look at what it holds."""
        return SdkSpan

    @property
    def parent(self) -> SpanContext | None:
        """The context of the span around; None where there is none."""
        return self._decision.around

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        """What has been said so far."""
        said: Any = self.made() if self._made else self._decision.sampled
        return said.attributes

    @property
    def links(self) -> Sequence[Link]:
        """Where the span points to."""
        return self.made().links if self._made else self._beginning.links

    @override
    def get_span_context(self) -> SpanContext:
        return self._decision.own

    @override
    def is_recording(self) -> bool:
        return self._made[0].is_recording() if self._made else not self._ended

    @override
    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        self.made().set_attributes(attributes)

    @override
    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.made().set_attribute(key, value)

    @override
    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        self.made().add_event(name, attributes, timestamp)

    @override
    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        self.made().add_link(context, attributes)

    @override
    def update_name(self, name: str) -> None:
        self.made().update_name(name)

    @override
    def set_status(self, status: Any, description: str | None = None) -> None:
        self.made().set_status(status, description)

    @override
    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        self.made().record_exception(exception, *args, **kwargs)

    @override
    def __repr__(self) -> str:
        return repr(self.made())
