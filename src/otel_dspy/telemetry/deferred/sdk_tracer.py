"""Span creation of the SDK's tracer in two steps: the sampling decision at the start, the span object later.

The first step reimplements `Tracer.start_span` of opentelemetry-sdk (1.43 to 1.45) without the creation of the span,
because the SDK's own takes three times as long; a test compares the results. The second step calls the SDK with a
sampler and an id generator that return the earlier decision.
"""

from __future__ import annotations

from inspect import getattr_static
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.sdk.trace import SpanProcessor, Tracer
from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, SamplingResult
from opentelemetry.sdk.trace.sampling import Decision as Sampled
from opentelemetry.trace import NonRecordingSpan, ProxyTracer, SpanContext, TraceFlags, get_current_span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import TraceState
    from opentelemetry.util.types import AnyValue

    from otel_dspy.telemetry.deferred.tracer import Beginning

_START: Final = "start_span"
_FLAGS: Final = {
    (is_sampled, is_random): TraceFlags(
        (TraceFlags.SAMPLED if is_sampled else 0) | (TraceFlags.RANDOM_TRACE_ID if is_random else 0)
    )
    for is_sampled in (False, True)
    for is_random in (False, True)
}
"""(sampled, random trace id) -> trace flags."""


class Decision(NamedTuple):
    """Sampling decision and context of a span, fixed when it starts."""

    own: SpanContext
    around: SpanContext | None
    """Context of the parent span."""
    attributes: Mapping[str, AnyValue]
    """Copy of the attributes of the sampling result."""
    resource: Resource


def can_decide(tracer: object) -> bool:
    """Return whether `decide` supports the tracer: an unmodified SDK tracer, possibly behind the API's proxy.

    Not supported together with OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED, with which the SDK counts open spans.
    """
    if isinstance(tracer, ProxyTracer):
        tracer = tracer._tracer  # noqa: SLF001 - the same  # pyright: ignore[reportPrivateUsage] - it has no public name
    if not isinstance(tracer, Tracer):
        return False
    counts: Any = getattr(tracer, "_tracer_metrics", None)
    is_changed = _START in vars(tracer) or not is_the_sdks(type(tracer), _START)
    return isinstance(counts, NoOpTracerMetrics) and not is_changed


def is_the_sdks(kind: type[object], name: str) -> bool:
    """Return whether a method of an SDK class is unmodified, neither replaced nor wrapped by another library."""
    # A static lookup, because a wrapper may imitate the function that it wraps.
    method = getattr_static(kind, name, None)
    return type(method) is FunctionType and method.__code__.co_filename == Tracer.__init__.__code__.co_filename


def decide(
    tracer: Any,  # noqa: ANN401 - some of it is private
    context: Context | None,
    beginning: Beginning,
) -> Decision | NonRecordingSpan:
    """Return the decision on a span that starts, or the span itself if it is not recorded.

    Args:
        tracer: the SDK's tracer; `can_decide` must be true.
        context: parent context.
        beginning: arguments of `start_span`.
    """
    around: Any = get_current_span(context).get_span_context()  # may be None for spans that are not the SDK's
    if not tracer._is_enabled():  # noqa: SLF001 - as in the SDK's start_span
        return NonRecordingSpan(around)
    ids = tracer.id_generator
    if around is not None and around.is_valid:
        trace_id, random = around.trace_id, around.trace_flags.random_trace_id
    else:
        around, trace_id, random = None, ids.generate_trace_id(), ids.is_trace_id_random()
    state: TraceState | None
    if tracer.sampler is DEFAULT_ON:
        # Shortcut for ParentBased(ALWAYS_ON), which would call three samplers: as the parent, or sampled.
        is_recorded = is_sampled = around is None or around.trace_flags.sampled
        state, attributes = None if around is None else around.trace_state, beginning.attributes
    else:
        result: Any = tracer.sampler.should_sample(
            context, trace_id, beginning.name, beginning.kind, beginning.attributes, beginning.links
        )
        is_recorded, is_sampled = result.decision.is_recording(), result.decision.is_sampled()
        state, attributes = result.trace_state, result.attributes
    flags = _FLAGS[bool(is_sampled), bool(random)]
    own = SpanContext(trace_id, ids.generate_span_id(), False, flags, state)  # noqa: FBT003 - positional arguments are faster
    if not is_recorded:
        return NonRecordingSpan(own)
    return Decision(own, around, {**(attributes or {})}, tracer.resource)


class MakingTracer(Tracer):
    """SDK tracer that creates the span of an earlier decision, without a second `on_start` for the processors.

    Args:
        tracer: the SDK's tracer.
        decision: the earlier decision.
        ended: whether the processors have already received the end of the span.
    """

    def __init__(self, tracer: Tracer, decision: Decision, *, ended: bool = False) -> None:
        vars(self).update(vars(tracer))
        fixed: Any = _FixedDecision(decision)
        processor: Any = _EndOnlyProcessor(SpanProcessor() if ended else tracer.span_processor)
        self.sampler = self.id_generator = fixed
        self.span_processor = processor
        self.resource = decision.resource

    def _is_enabled(self) -> bool:
        return True  # checked by `decide`


class _FixedDecision:
    """Sampler and id generator that return an earlier decision."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def should_sample(self, *_args: object, **_named: object) -> SamplingResult:
        own = self._decision.own
        sampled = Sampled.RECORD_AND_SAMPLE if own.trace_flags.sampled else Sampled.RECORD_ONLY
        return SamplingResult(sampled, self._decision.attributes, own.trace_state)

    def generate_trace_id(self) -> int:
        return self._decision.own.trace_id

    def generate_span_id(self) -> int:
        return self._decision.own.span_id

    def is_trace_id_random(self) -> bool:
        return self._decision.own.trace_flags.random_trace_id


class _EndOnlyProcessor:
    """Processor wrapper that ignores `on_start`."""

    def __init__(self, processor: object) -> None:
        self._processor = processor

    def on_start(self, *_args: object, **_named: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the processor
        return getattr(self._processor, name)
