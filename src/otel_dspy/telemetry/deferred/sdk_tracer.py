"""The SDK's tracer in two steps: first it decides on a span, and later it makes the one that it has decided on.

The first step is `Tracer.start_span` of opentelemetry-sdk (1.43 to 1.45) without the making, written out again: to have
it done by the SDK takes three times as long. A test holds what comes of it against what the SDK does. The second step
is the SDK's own, whose sampler and generator of ids repeat what has been said.
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
"""By whether a span is sampled, and whether its trace's id is random."""


class Decision(NamedTuple):
    """What is settled of a span when it starts."""

    own: SpanContext
    around: SpanContext | None
    """Of the span around it."""
    attributes: Mapping[str, AnyValue]
    """Those of the sampler's result, which it may use for the next span too."""
    resource: Resource


def can_decide(tracer: object) -> bool:
    """Whether a tracer is the SDK's, also by way of the API's proxy, and starts spans as that one does.

    Where the SDK counts its spans (OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED) it counts those that are open.
    """
    if isinstance(tracer, ProxyTracer):
        tracer = tracer._tracer  # noqa: SLF001 - the same  # pyright: ignore[reportPrivateUsage] - it has no public name
    if not isinstance(tracer, Tracer):
        return False
    counts: Any = getattr(tracer, "_tracer_metrics", None)
    is_changed = _START in vars(tracer) or not is_the_sdks(type(tracer), _START)
    return isinstance(counts, NoOpTracerMetrics) and not is_changed


def is_the_sdks(kind: type[object], name: str) -> bool:
    """Whether a method of the SDK's traces is its own, and not what another library has put there or around it."""
    # Looked up without being asked: what wraps a function may say that it is the one that it wraps.
    method = getattr_static(kind, name, None)
    return type(method) is FunctionType and method.__code__.co_filename == Tracer.__init__.__code__.co_filename


def decide(
    tracer: Any,  # noqa: ANN401 - some of it is private
    context: Context | None,
    beginning: Beginning,
) -> Decision | NonRecordingSpan:
    """Decide on a span that starts; give it, if it is not recorded."""
    around: Any = get_current_span(context).get_span_context()  # None of spans that are no SDK's
    if not tracer._is_enabled():  # noqa: SLF001 - the SDK asks this of itself
        return NonRecordingSpan(around)
    ids = tracer.id_generator
    if around is not None and around.is_valid:
        trace_id, random = around.trace_id, around.trace_flags.random_trace_id
    else:
        around, trace_id, random = None, ids.generate_trace_id(), ids.is_trace_id_random()
    state: TraceState | None
    if tracer.sampler is DEFAULT_ON:
        # It would ask three others in turn; this is what they say: as the span around is, or yes.
        is_recorded = is_sampled = around is None or around.trace_flags.sampled
        state, attributes = None if around is None else around.trace_state, beginning.attributes
    else:
        result: Any = tracer.sampler.should_sample(
            context, trace_id, beginning.name, beginning.kind, beginning.attributes, beginning.links
        )
        is_recorded, is_sampled = result.decision.is_recording(), result.decision.is_sampled()
        state, attributes = result.trace_state, result.attributes
    flags = _FLAGS[bool(is_sampled), bool(random)]
    own = SpanContext(trace_id, ids.generate_span_id(), False, flags, state)  # noqa: FBT003 - by position is faster
    if not is_recorded:
        return NonRecordingSpan(own)
    return Decision(own, around, {**(attributes or {})}, tracer.resource)


class MakingTracer(Tracer):
    """The tracer that has decided on a span, to make that one, of whose start processors have heard.

    Args:
        tracer: the SDK's.
        decision: on the span.
        ended: whether they have heard of its end too.
    """

    def __init__(self, tracer: Tracer, decision: Decision, *, ended: bool = False) -> None:
        vars(self).update(vars(tracer))
        settled: Any = _Settled(decision)
        hearing: Any = _Hearing(SpanProcessor() if ended else tracer.span_processor)
        self.sampler = self.id_generator = settled
        self.span_processor = hearing
        self.resource = decision.resource

    def _is_enabled(self) -> bool:
        return True  # it was


class _Settled:
    """A sampler and a generator of ids that repeat themselves."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def should_sample(self, *_asked: object, **_named: object) -> SamplingResult:
        own = self._decision.own
        said = Sampled.RECORD_AND_SAMPLE if own.trace_flags.sampled else Sampled.RECORD_ONLY
        return SamplingResult(said, self._decision.attributes, own.trace_state)

    def generate_trace_id(self) -> int:
        return self._decision.own.trace_id

    def generate_span_id(self) -> int:
        return self._decision.own.span_id

    def is_trace_id_random(self) -> bool:
        return self._decision.own.trace_flags.random_trace_id


class _Hearing:
    """A processor that has heard of the start."""

    def __init__(self, processor: object) -> None:
        self._processor = processor

    def on_start(self, *_told: object, **_named: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the processor has
        return getattr(self._processor, name)
