"""A span that the SDK has decided on, and that is made when anything more is asked of it, or only in the end.

To make one takes the SDK longer than a hook takes for all the rest. What others need of a span while its call lasts is
its context (trace, id, sampled or not); a sampler and processors have been told of it when it began. Of most spans
nobody ever asks more: then processors get what is known of it when it ends, and it is never made (see `ended_span`).
"""

from __future__ import annotations

import time
from contextvars import copy_context
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.trace import NonRecordingSpan, Span
from typing_extensions import override

from otel_dspy.runtime.guard import guarded
from otel_dspy.telemetry.deferred.sdk_tracer import decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import SupportsIndex

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext
    from opentelemetry.util.types import Attributes, AttributeValue

    from otel_dspy.telemetry.deferred.sdk_tracer import Decision
    from otel_dspy.telemetry.deferred.tracer import Beginning, DeferredTracer

_PART: Final = "the end of a span"
_PATIENCE: Final = 1.0
"""Seconds that a program waits for what is being told, which may wait for the program: a redactor can take a lock."""


def begin(tracer: DeferredTracer, sdk: object, context: Context | None, beginning: Beginning) -> Span:
    """Start a span of the SDK's tracer inside of ours; one that is not recorded is none of these."""
    decision = decide(sdk, context, beginning)
    if isinstance(decision, NonRecordingSpan):
        return decision
    span = DeferredSpan(tracer, decision, beginning)
    if tracer.hearing:
        span.starts = True
        for processor in tracer.hearing:
            processor.on_start(span, parent_context=context)
        span.starts = False
    return span


class DeferredSpan(Span):
    """Stands for a span of the SDK's, which it hands everything to that is not settled when a span starts.

    Once the call has ended, whoever asks for anything has all that waits be told first: what is then found, and what
    comes of changes, is what is found of a span that has ended.

    Args:
        tracer: what it was started with.
        decision: what is settled of it.
        beginning: what it was started as.
    """

    __slots__ = (
        "_at", "_beginning", "_decision", "_made", "_said", "_shown", "_tell", "_told", "late_tracer", "starts",
    )  # fmt: skip

    ends_late: Final = True
    """See `tracer.is_late`."""

    def __init__(self, tracer: DeferredTracer, decision: Decision, beginning: Beginning) -> None:
        self.late_tracer = tracer
        self._decision = decision
        self._beginning = beginning
        # A list, since adding to one is atomic: of two threads that make the span at once, the first one's is it.
        self._made: list[Any] = []
        """The SDK's span; where it has ended without one, what processors got."""
        self._said: tuple[Mapping[str, AttributeValue], ...] = ()
        """Attributes that a span which isn't made has been given."""
        self._told = False
        """Whether processors have got what stands in the place of the SDK's span."""
        self._shown: Any = None
        """The SDK's span as it would be now, for whoever asks for it after that."""
        self._at: int | None = None
        self._tell: tuple[Any, ...] | None = None
        """What `tell_first` was given."""
        self.starts = False
        """Whether processors hear of its start right now: what it starts with is shown without its being made."""

    def tell_first(self, part: str, tell: Callable[..., object], *args: object) -> None:
        """Let this be called before it ends; `part`: what a failure of it is reported as."""
        if self._at is None:
            self._tell = part, tell, *args

    def call_ended(self) -> None:
        """It ends as of now, whenever it is told."""
        if self._at is None:
            self._at = time.time_ns()

    @override
    def end(self, end_time: int | None = None) -> None:
        """Soon; where anybody could see it, the call's context is current as it would have been at once."""
        if self._at is None:
            self._at = time.time_ns() if end_time is None else end_time
        if not self.late_tracer.ends_may_be_late():
            self._end()
        elif self._tell is None or not self.late_tracer.observed:
            self.late_tracer.later.put(_PART, self._end)
        else:
            self.late_tracer.later.put(_PART, copy_context().run, self._end)

    def _end(self) -> None:
        tell, self._tell = self._tell, None
        try:
            if tell is not None:
                part, work, *args = tell
                with guarded(part):
                    work(*args)
            self._ready()
        finally:
            # Also where Ctrl-C comes in the middle, of the making too.
            ready = self._ready()
            if type(ready) is ReadableSpan and not self._told:
                self._told = True
                self.late_tracer.tell_end(ready)
            else:
                self._make().end(self._at)

    def _ready(self) -> object:
        """What is about to end: the SDK's span if there is one; else what processors get of it, if that is enough."""
        if not self._made:
            tracer = self.late_tracer
            if tracer.tells_ends:
                self._made.append(tracer.ended(self._decision, self._beginning, self._said, self._at))
            else:
                self._made.append(tracer.make(self._decision, self._beginning))
        return self._made[0]

    def _make(self) -> Any:  # noqa: ANN401 - the SDK's span
        """The SDK's span, with all that has been said; an ended one where processors got something in its stead."""
        if not self._made:
            self._made.append(self.late_tracer.make(self._decision, self._beginning))
        made = self._made[0]
        if type(made) is ReadableSpan:
            if self._shown is None:
                self._shown = self._as_ended()
            return self._shown
        if self._said:
            said, self._said = self._said, ()
            for attributes in said:
                made.set_attributes(attributes)
        return made

    def _as_ended(self) -> Span:
        span = self.late_tracer.make(self._decision, self._beginning, ended=True)
        for attributes in self._said:
            span.set_attributes(attributes)
        span.end(self._at)
        return span

    def _is_told(self) -> bool:
        """Whether this is called by what tells of the call that has ended, of a span that isn't made."""
        tracer = self.late_tracer
        # A user's redactor may say anything of the span; what ours say needs no look before it is put together.
        return (
            self._at is not None
            and not self._made
            and tracer.tells_ends
            and not tracer.observed
            and tracer.later.works_here()
        )

    def _found(self) -> Any:  # noqa: ANN401 - the SDK's span
        """The SDK's span, as whoever asks for it has to find it."""
        if self._at is not None:
            self.late_tracer.later.catch_up(seconds=_PATIENCE)  # nothing happens where this is a part of telling it
        return self._make()

    @override
    def get_span_context(self) -> SpanContext:
        return self._decision.own

    @override
    def is_recording(self) -> bool:
        if self._is_told():
            return True
        if self._at is not None:
            return bool(self._found().is_recording())
        return not self._made or bool(self._make().is_recording())

    @property
    def parent(self) -> SpanContext | None:
        """The context of the span around; None where there is none."""
        return self._decision.around

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        """What has been said so far."""
        if self.starts and not self._made:
            return MappingProxyType(self._decision.attributes)
        return self._found().attributes

    @property
    def links(self) -> Sequence[Link]:
        """Where the span points to."""
        pointing: Any = self._beginning if self.starts and not self._made else self._found()
        return pointing.links

    @property
    def __class__(self) -> type[SdkSpan]:  # pyright: ignore[reportIncompatibleMethodOverride] - for `isinstance`
        """Programs ask whether a span is the SDK's before they look at what it holds."""
        return SdkSpan

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the SDK's span has
        """What spans of the SDK have beside the interface."""
        return getattr(self._found(), name)

    @override
    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return self._found().__reduce_ex__(protocol)  # a copy is the SDK's, and what can't be copied of it can't here

    @override
    def __repr__(self) -> str:
        return repr(self._found())

    @override
    def __exit__(self, *raised: object) -> None:
        leave: Any = SdkSpan.__exit__
        leave(self, *raised)

    @override
    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        if self._is_told():
            self._said += ({**attributes},)
        else:
            self._found().set_attributes(attributes)

    @override
    def set_attribute(self, key: str, value: AttributeValue) -> None:
        if self._is_told():
            self._said += ({key: value},)
        else:
            self._found().set_attribute(key, value)

    @override
    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        self._found().add_event(name, attributes, timestamp)

    @override
    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        self._found().add_link(context, attributes)

    @override
    def update_name(self, name: str) -> None:
        self._found().update_name(name)

    @override
    def set_status(self, status: Any, description: str | None = None) -> None:
        self._found().set_status(status, description)

    @override
    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        self._found().record_exception(exception, *args, **kwargs)
