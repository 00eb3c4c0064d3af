"""Deferred span: sampled at its start, created by the SDK on first access, or never.

The SDK takes longer to create a span than a hook takes for everything else. During a call, other code needs only the
span's context (trace id, span id, sampled flag); samplers and processors have been called at the start. If nothing else
accesses the span, processors receive a snapshot at its end and the SDK's span is never created (see `snapshot_span`).
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
_DRAIN_TIMEOUT: Final = 1.0
"""Drain timeout in seconds on access to an ended span: a redactor may wait for a lock that the caller holds."""


def begin(tracer: DeferredTracer, sdk: object, context: Context | None, beginning: Beginning) -> Span:
    """Start a deferred span; return the SDK's non-recording span if it is not recorded.

    Args:
        tracer: the deferred tracer.
        sdk: the SDK's tracer inside it.
        context: parent context.
        beginning: arguments of `start_span`.
    """
    decision = decide(sdk, context, beginning)
    if isinstance(decision, NonRecordingSpan):
        return decision
    span = DeferredSpan(tracer, decision, beginning)
    if tracer.start_processors:
        span.starts = True
        for processor in tracer.start_processors:
            processor.on_start(span, parent_context=context)
        span.starts = False
    return span


class DeferredSpan(Span):
    """Proxy of an SDK span, which is created when anything is accessed that is not fixed at the start.

    After the end of the call an access first drains the deferred queue, and then behaves as on an ended span.

    Args:
        tracer: the deferred tracer.
        decision: the decision made at the start.
        beginning: arguments of `start_span`.
    """

    __slots__ = (
        "_before_end", "_beginning", "_decision", "_delivered", "_ended_at", "_ended_span", "_made", "_updates",
        "deferred_tracer", "starts",
    )  # fmt: skip

    is_deferred_span: Final = True
    """See `tracer.is_deferred`."""

    def __init__(self, tracer: DeferredTracer, decision: Decision, beginning: Beginning) -> None:
        self.deferred_tracer = tracer
        self._decision = decision
        self._beginning = beginning
        # A list, because append is atomic: if two threads create the span at the same time, the first one is used.
        self._made: list[Any] = []
        """The SDK's span, or the snapshot that processors received in its place."""
        self._updates: tuple[Mapping[str, AttributeValue], ...] = ()
        """Attributes set before the SDK's span was created."""
        self._delivered = False
        """Whether processors have received a snapshot."""
        self._ended_span: Any = None
        """Ended SDK span that is created for an access after the snapshot."""
        self._ended_at: int | None = None
        """End time in nanoseconds since the epoch."""
        self._before_end: tuple[Any, ...] | None = None
        """Arguments of `run_before_end`."""
        self.starts = False
        """Whether `on_start` of a processor is running: it reads the initial attributes without creating the span."""

    def run_before_end(self, part: str, work: Callable[..., object], *args: object) -> None:
        """Call `work(*args)` before the span ends; `part` names it in the report of a failure."""
        if self._ended_at is None:
            self._before_end = part, work, *args

    def mark_ended(self) -> None:
        """Record the current time as the end time."""
        if self._ended_at is None:
            self._ended_at = time.time_ns()

    @override
    def end(self, end_time: int | None = None) -> None:
        """Submit the end of the span. The caller's context is restored for it if user code can observe it."""
        if self._ended_at is None:
            self._ended_at = time.time_ns() if end_time is None else end_time
        if not self.deferred_tracer.may_defer_ends():
            self._end()
        elif self._before_end is None or not self.deferred_tracer.observed:
            self.deferred_tracer.later.put(_PART, self._end)
        else:
            self.deferred_tracer.later.put(_PART, copy_context().run, self._end)

    def _end(self) -> None:
        work_before_end, self._before_end = self._before_end, None
        try:
            if work_before_end is not None:
                part, work, *args = work_before_end
                with guarded(part):
                    work(*args)
            self._ready()
        finally:
            # Also after a KeyboardInterrupt, including one during the creation.
            ready = self._ready()
            if type(ready) is ReadableSpan and not self._delivered:
                self._delivered = True
                self.deferred_tracer.deliver_end(ready)
            else:
                self._make().end(self._ended_at)

    def _ready(self) -> object:
        """Return the SDK's span if it exists, else a snapshot if the tracer supports snapshots."""
        if not self._made:
            tracer = self.deferred_tracer
            if tracer.uses_snapshots:
                self._made.append(tracer.ended(self._decision, self._beginning, self._updates, self._ended_at))
            else:
                self._made.append(tracer.make(self._decision, self._beginning))
        return self._made[0]

    def _make(self) -> Any:  # noqa: ANN401 - the SDK's span
        """Return the SDK's span with all attributes; an ended one if processors have received a snapshot."""
        if not self._made:
            self._made.append(self.deferred_tracer.make(self._decision, self._beginning))
        made = self._made[0]
        if type(made) is ReadableSpan:
            if self._ended_span is None:
                self._ended_span = self._as_ended()
            return self._ended_span
        if self._updates:
            updates, self._updates = self._updates, ()
            for attributes in updates:
                made.set_attributes(attributes)
        return made

    def _as_ended(self) -> Span:
        span = self.deferred_tracer.make(self._decision, self._beginning, ended=True)
        for attributes in self._updates:
            span.set_attributes(attributes)
        span.end(self._ended_at)
        return span

    def _in_deferred_work(self) -> bool:
        """Return whether the caller is the deferred work of this ended call and the SDK's span does not exist."""
        tracer = self.deferred_tracer
        # A user's redactor may access the span; the hooks' own work only sets attributes.
        return (
            self._ended_at is not None
            and not self._made
            and tracer.uses_snapshots
            and not tracer.observed
            and tracer.later.works_here()
        )

    def _accessed(self) -> Any:  # noqa: ANN401 - the SDK's span
        """Return the SDK's span for an access from outside, after a drain if the call has ended."""
        if self._ended_at is not None:
            self.deferred_tracer.later.catch_up(seconds=_DRAIN_TIMEOUT)  # no effect inside the deferred work itself
        return self._make()

    @override
    def get_span_context(self) -> SpanContext:
        return self._decision.own

    @override
    def is_recording(self) -> bool:
        if self._in_deferred_work():
            return True
        if self._ended_at is not None:
            return bool(self._accessed().is_recording())
        return not self._made or bool(self._make().is_recording())

    @property
    def parent(self) -> SpanContext | None:
        """Context of the parent span; None for a root span."""
        return self._decision.around

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        """Attributes set so far."""
        if self.starts and not self._made:
            return MappingProxyType(self._decision.attributes)
        return self._accessed().attributes

    @property
    def links(self) -> Sequence[Link]:
        """Links of the span."""
        pointing: Any = self._beginning if self.starts and not self._made else self._accessed()
        return pointing.links

    @property
    def __class__(self) -> type[SdkSpan]:  # pyright: ignore[reportIncompatibleMethodOverride] - for `isinstance`
        """The SDK's span class: programs check for it with `isinstance` before they read attributes."""
        return SdkSpan

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the SDK's span
        """Return an attribute of the SDK's span that is not part of the API."""
        return getattr(self._accessed(), name)

    @override
    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return self._accessed().__reduce_ex__(protocol)  # copies like the SDK's span, or fails like it

    @override
    def __repr__(self) -> str:
        return repr(self._accessed())

    @override
    def __exit__(self, *raised: object) -> None:
        leave: Any = SdkSpan.__exit__
        leave(self, *raised)

    @override
    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        if self._in_deferred_work():
            self._updates += ({**attributes},)
        else:
            self._accessed().set_attributes(attributes)

    @override
    def set_attribute(self, key: str, value: AttributeValue) -> None:
        if self._in_deferred_work():
            self._updates += ({key: value},)
        else:
            self._accessed().set_attribute(key, value)

    @override
    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        self._accessed().add_event(name, attributes, timestamp)

    @override
    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        self._accessed().add_link(context, attributes)

    @override
    def update_name(self, name: str) -> None:
        self._accessed().update_name(name)

    @override
    def set_status(self, status: Any, description: str | None = None) -> None:
        self._accessed().set_status(status, description)

    @override
    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        self._accessed().record_exception(exception, *args, **kwargs)
