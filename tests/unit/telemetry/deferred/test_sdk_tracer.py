"""What is decided of a span when it starts, and what is made of it later, is what the SDK does in one step."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final, cast
from unittest import mock

import pytest
import wrapt
from opentelemetry.context import Context, set_value
from opentelemetry.sdk import trace as sdk_trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from typing_extensions import override

from otel_dspy.runtime.deferred_queue import DeferredQueue
from otel_dspy.telemetry.deferred.span import DeferredSpan
from otel_dspy.telemetry.deferred.tracer import DeferredTracer

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span, Tracer

_AT: Final = 1_700_000_000_000_000_000
_ATTRIBUTES: Final[dict[str, Any]] = {"kept": "yes", "number": 1, "list": ["a", "b"]}
_LINK: Final = Link(SpanContext(8, 9, is_remote=True), {"why": "linked"})


class _Ids(IdGenerator):
    """Ids in the same order for each provider."""

    def __init__(self, *, are_random: bool) -> None:
        self._chance = random.Random(7)  # noqa: S311 - ids
        self._are_random = are_random

    @override
    def generate_span_id(self) -> int:
        return self._chance.getrandbits(64)

    @override
    def generate_trace_id(self) -> int:
        return self._chance.getrandbits(128)

    @override
    def is_trace_id_random(self) -> bool:
        return self._are_random


class _Telling(Sampler):
    """Looks at all that a sampler is shown, and adds to the span and to the trace's state."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self.seen: list[str] = []

    @override
    def should_sample(self, parent_context: Any, trace_id: int, name: str, *more: Any, **named: Any) -> SamplingResult:
        kind, attributes, links = more
        self.seen.append(repr((parent_context is None, trace_id, name, kind, attributes, links, named)))
        return SamplingResult(self._decision, {"by": "sampler", **attributes}, TraceState([("sampled", "by-me")]))

    @override
    def get_description(self) -> str:
        return "telling"


def _around(flags: int, *, valid: bool = True, remote: bool = False) -> Context:
    context = SpanContext(5 if valid else 0, 6, remote, TraceFlags(flags), TraceState([("a", "b")]))
    return set_value("further", 1, set_span_in_context(NonRecordingSpan(context), Context()))


_SAMPLERS: Final[dict[str, Callable[[], Sampler]]] = {
    "default": lambda: DEFAULT_ON,
    "on": lambda: ALWAYS_ON,
    "off": lambda: ALWAYS_OFF,
    "half": lambda: ParentBased(TraceIdRatioBased(0.5)),
    "telling": lambda: _Telling(Decision.RECORD_AND_SAMPLE),
    "recorded only": lambda: _Telling(Decision.RECORD_ONLY),
    "dropped": lambda: _Telling(Decision.DROP),
}
_AROUND: Final = {
    "nothing": None,
    "an empty context": Context(),
    "an invalid span": _around(1, valid=False),
    "a sampled span": _around(1),
    "a remote one": _around(1, remote=True),
    "an unsampled one": _around(0),
    "one with random ids": _around(3),
}


def _provider(sampler: Sampler, *, are_random: bool = True, **more: Any) -> tuple[TracerProvider, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(
        sampler, id_generator=_Ids(are_random=are_random), shutdown_on_exit=False, **more
    )  # fmt: skip
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, exporter


def _late(provider: TracerProvider) -> DeferredTracer:
    return DeferredTracer(provider.get_tracer("scope", "1.0"), (), DeferredQueue())


def _start(tracer: Tracer, context: Context | None) -> Span:
    return tracer.start_span("name", context, SpanKind.CLIENT, _ATTRIBUTES, [_LINK], _AT)


def _told(exporter: InMemorySpanExporter) -> list[dict[str, Any]]:
    return [json.loads(span.to_json()) for span in exporter.get_finished_spans()]


@pytest.mark.parametrize("asked", [False, True], ids=["not asked for", "asked for"])
@pytest.mark.parametrize("around", _AROUND)
@pytest.mark.parametrize("are_random", [True, False])
@pytest.mark.parametrize("sampler", _SAMPLERS)
def test_it_is_what_the_sdk_does(sampler: str, are_random: bool, around: str, asked: bool) -> None:  # noqa: FBT001
    """Ids, flags, trace state, what the sampler sees and says, links, attributes, parent.

    In the context, exported, and found by whoever asks for the span before its end, or only afterwards.
    """
    samplers = [_SAMPLERS[sampler]() for _ in range(2)]
    (plain, at_once), (provider, late) = (_provider(one, are_random=are_random) for one in samplers)
    tracers = plain.get_tracer("scope", "1.0"), _late(provider)
    for _ in range(4):
        wanted, span = (_start(tracer, _AROUND[around]) for tracer in tracers)
        assert span.get_span_context() == wanted.get_span_context()
        assert span.is_recording() == wanted.is_recording() == (type(span) is DeferredSpan)
        if asked and span.is_recording():
            assert cast("Any", span).name == "name"
        for one in (wanted, span):
            one.end(_AT + 7)
        assert span.is_recording() == wanted.is_recording()
        if type(span) is DeferredSpan:
            assert cast("Any", span).to_json() == cast("Any", wanted).to_json()
    for one in (plain, provider):
        one.force_flush()
        one.shutdown()
    assert _told(late) == _told(at_once)
    assert getattr(samplers[0], "seen", None) == getattr(samplers[1], "seen", None)


_SAID: Final[dict[str, list[dict[Any, Any]]]] = {
    "nothing": [],
    "new things": [{"a": "text", "b": 2.5}, {"c": [True, False]}],
    "the same again": [{"number": 2}, {"number": 3, "kept": "no"}],
    "new things and the same again": [{"a": 1}, {"a": 2, "b": 3}, {"kept": "no", "c": 4}],
    "what is no attribute": [{"": 1, "kept": object(), "a": 1, 7: "seven"}],
}


@pytest.mark.parametrize("asked", [False, True], ids=["not asked for", "asked for"])
@pytest.mark.parametrize("limits", [None, 0, 1, 2, 4])
@pytest.mark.parametrize("said", _SAID)
def test_deferred_attributes_equal_immediate_ones(
    said: str,
    limits: int | None,
    asked: bool,  # noqa: FBT001
) -> None:
    """Attributes in their order, what is dropped of a span that is full, links, texts that are too long."""
    bounds = None if limits is None else SpanLimits(max_attributes=limits, max_links=limits, max_attribute_length=3)
    (plain, at_once), (provider, late) = (_provider(ALWAYS_ON, span_limits=bounds) for _ in range(2))
    more: list[Any] = [_LINK, Link(SpanContext(0, 0, is_remote=False)), Link(SpanContext(3, 4, is_remote=False))]
    wanted, span = (
        tracer.start_span("name", None, SpanKind.CLIENT, _ATTRIBUTES, more, _AT)
        for tracer in (plain.get_tracer("scope", "1.0"), _late(provider))
    )
    assert isinstance(span, DeferredSpan)

    def tell(one: Any) -> None:
        assert one.is_recording()
        for number, attributes in enumerate(_SAID[said]):
            if asked and number == 1:
                assert one.name == "name"
            one.set_attributes(attributes)
        one.set_attribute("last", 1)

    span.run_before_end("a test", tell, span)
    tell(wanted)
    for one in (wanted, span):
        one.end(_AT + 7)
    for one in (plain, provider):
        one.force_flush()
    assert _told(late) == _told(at_once)
    exported = [exporter.get_finished_spans()[0] for exporter in (late, at_once)]
    for one in (*exported, cast("Any", span)):
        assert one.dropped_attributes == exported[1].dropped_attributes
        assert one.dropped_links == exported[1].dropped_links
        assert list(one.attributes or {}) == list(exported[1].attributes or {})
    for one in (plain, provider):
        one.shutdown()


@pytest.mark.parametrize("added_late", [False, True], ids=["there before", "added while it is open"])
@pytest.mark.parametrize("how", ["its own", "wrapt"])
def test_a_processor_that_looks_at_a_span_before_its_end_gets_the_sdks(how: str, added_late: bool) -> None:  # noqa: FBT001
    """By a method of its own, or one that another library has put around the SDK's."""
    seen: list[str] = []

    class Looking(BatchSpanProcessor):
        @override
        def _on_ending(self, span: Any) -> None:
            seen.append(type(span).__name__)

    def looking(_wrapped: object, _processor: object, given: Any, _named: object) -> None:
        seen.append(type(given[0]).__name__)

    class Wrapped(BatchSpanProcessor):
        _on_ending = wrapt.FunctionWrapper(BatchSpanProcessor._on_ending, looking)

    provider, exporter = _provider(ALWAYS_ON)
    looker = (Looking if how == "its own" else Wrapped)(InMemorySpanExporter())
    tracer = _late(provider)
    if not added_late:
        provider.add_span_processor(looker)
    span = _start(tracer, None)
    if added_late:
        provider.add_span_processor(looker)
    span.end()
    provider.force_flush()
    assert seen == ["_Span"]
    assert len(exporter.get_finished_spans()) == 1
    provider.shutdown()


@pytest.mark.parametrize("step", ["start", "set_attributes", "end", "_readable_span"])
@pytest.mark.parametrize("kind", ["Span", "_Span"])
@pytest.mark.parametrize("how", ["plain", "wrapt"])
def test_what_another_library_has_changed_of_spans_is_done(how: str, kind: str, step: str) -> None:
    """By a function in the place of the SDK's own, or around it."""
    calls: list[str] = []
    owner = getattr(sdk_trace, kind)
    own: Any = getattr(owner, step)

    def plainly(span: Any, *args: Any, **named: Any) -> Any:
        calls.append(step)
        return own(span, *args, **named)

    def around(wrapped: Any, _span: object, args: Any, named: Any) -> Any:
        calls.append(step)
        return wrapped(*args, **named)

    provider, _ = _provider(ALWAYS_ON)
    with mock.patch.object(owner, step, plainly if how == "plain" else wrapt.FunctionWrapper(own, around)):
        span: Any = _start(_late(provider), None)
        span.run_before_end("a test", span.set_attributes, {"a": 1})
        span.end()
        provider.shutdown()
    assert set(calls) == {step}


def test_no_span_is_deferred_where_the_sdk_counts_its_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own metrics tell how many are open."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reader = InMemoryMetricReader()
    provider, _ = _provider(ALWAYS_ON, meter_provider=MeterProvider([reader]))
    span = _start(_late(provider), None)
    data: Any = reader.get_metrics_data()
    values = {
        metric.name: metric.data.data_points[0].value
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
    }
    assert values == {"otel.sdk.span.started": 1, "otel.sdk.span.live": 1}
    span.end()
    provider.shutdown()


def test_a_sampler_may_use_its_attributes_again() -> None:
    """A span has those that the sampler gave for it."""

    class Counting(_Telling):
        counted: Final[dict[str, Any]] = {"n": 0}

        @override
        def should_sample(self, *asked: Any, **named: Any) -> SamplingResult:
            self.counted["n"] += 1
            return SamplingResult(Decision.RECORD_AND_SAMPLE, self.counted)

    provider, exporter = _provider(Counting(Decision.RECORD_AND_SAMPLE))
    tracer = _late(provider)
    for _ in range(3):
        _start(tracer, None).end()
    provider.force_flush()
    assert [(span.attributes or {})["n"] for span in exporter.get_finished_spans()] == [1, 2, 3]
    provider.shutdown()


def test_a_span_around_that_has_no_context() -> None:
    """As one of another library's may be: ours is a root then."""

    class Odd(NonRecordingSpan):
        def get_span_context(self) -> Any:
            return None

    provider, exporter = _provider(ALWAYS_ON)
    _start(_late(provider), set_span_in_context(Odd(SpanContext(0, 0, is_remote=False)), Context())).end()
    provider.force_flush()
    assert [span.parent for span in exporter.get_finished_spans()] == [None]
    provider.shutdown()


@pytest.mark.parametrize("said", [None, 0, 2, "yes"])
def test_an_id_generator_may_return_truthy_values(said: object) -> None:
    """The SDK asks whether what it says of its ids holds, and not for True."""

    class Ids(_Ids):
        @override
        def is_trace_id_random(self) -> Any:
            return said

    flags: list[int] = []
    for late in (False, True):
        provider = TracerProvider(ALWAYS_ON, id_generator=Ids(are_random=True), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
        span = _start(_late(provider) if late else provider.get_tracer("scope"), None)
        flags.append(span.get_span_context().trace_flags)
        provider.shutdown()
    assert flags[0] == flags[1]


def test_a_tracer_that_is_not_the_sdks_own_starts_its_spans_itself() -> None:
    """Another's around it, or one that starts spans in another way, may do anything."""
    provider, _ = _provider(ALWAYS_ON)

    class Around:
        def __init__(self, tracer: Tracer) -> None:
            self._tracer = tracer

        def start_span(self, name: str, *more: Any) -> Span:
            return self._tracer.start_span(f"{name} of another", *more)

    around: Any = Around(provider.get_tracer("scope"))
    changed: Any = provider.get_tracer("changed")
    changed.start_span = Around(provider.get_tracer("scope")).start_span
    for tracer in (around, changed):
        span: Any = _start(DeferredTracer(tracer, (), DeferredQueue()), None)
        assert span.name == "name of another"
        assert type(span) is not DeferredSpan
    provider.shutdown()
