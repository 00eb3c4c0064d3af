"""The sampler: examples thinned out as wholes, everything else kept, in both shapes."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from opentelemetry.sdk._configuration import _import_sampler  # what reads the environment's names
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, ParentBased, TraceIdRatioBased
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanContext, TraceFlags, use_span
from typing_extensions import override

from otel_dspy import DSPyInstrumentor
from otel_dspy.sampling import ExampleSampler, from_argument
from tests.docs.code_blocks import covered_blocks, exported
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizers import Rounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult

EXAMPLES = 40


def optimized(sampler: Sampler, shape: str) -> Sequence[ReadableSpan]:
    """The spans of an optimization of two trials of 40 examples under that sampler."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    DSPyInstrumentor().instrument(tracer_provider=provider, trace_shape=shape)
    try:
        with dspy.context(lm=addition_lm()):
            Rounds(exact, rounds=2).compile(dspy.Predict("question -> answer"), trainset=examples(EXAMPLES))
    finally:
        DSPyInstrumentor().uninstrument()
    return exporter.get_finished_spans()


@pytest.mark.parametrize("shape", ["linked", "nested"])
def test_a_share_of_the_examples_is_kept_whole_and_all_control_spans(shape: str) -> None:
    """About half of 80 examples, each with its module and chat, and every compile, setup, trial and evaluation."""
    kinds = Counter(span.name.split(" ")[0] for span in optimized(ExampleSampler(0.5), shape))
    assert (kinds["compile"], kinds["setup"], kinds["trial"], kinds["evaluate"]) == (1, 1, 2, 2)
    assert 20 <= kinds["example"] <= 60
    assert kinds["module"] == kinds["chat"] == kinds["example"]


@pytest.mark.parametrize("shape", ["linked", "nested"])
@pytest.mark.parametrize(("ratio", "kept"), [(0, 0), (1, 2 * EXAMPLES)])
def test_none_and_all(ratio: float, kept: int, shape: str) -> None:
    """At 0 no example is left, at 1 every one."""
    kinds = Counter(span.name.split(" ")[0] for span in optimized(ExampleSampler(ratio), shape))
    assert (kinds["example"], kinds["module"], kinds["chat"], kinds["trial"]) == (kept, kept, kept, 2)


@pytest.mark.parametrize("shape", ["linked", "nested"])
def test_another_sampler_decides_on_everything_else(shape: str) -> None:
    """What it drops is dropped with all that belongs to it: an example is nothing without its evaluation."""
    assert optimized(ExampleSampler(1, others=ALWAYS_OFF), shape) == ()


@pytest.mark.parametrize("shape", ["linked", "nested"])
def test_an_unsampled_trace_has_no_part_of_an_optimization(shape: str) -> None:
    """The SDK's default sampler drops what an application does not sample, examples in traces of their own too."""
    caller = SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.DEFAULT))
    with use_span(NonRecordingSpan(caller)):
        assert optimized(ParentBased(ALWAYS_ON), shape) == ()


class RecordOnly(ExampleSampler):
    """Records what it drops, as the SDK's `AlwaysRecordSampler` does around it, which older versions do not have."""

    @override
    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        result = super().should_sample(*args, **kwargs)
        assert result.decision is Decision.DROP
        result.decision = Decision.RECORD_ONLY
        return result


class Recorded(SpanProcessor):
    """The names of the attributes that unsampled spans have at their end."""

    def __init__(self) -> None:
        self.names: dict[str, set[str]] = {}

    @override
    def on_end(self, span: ReadableSpan) -> None:
        assert span.context is not None
        assert not span.context.trace_flags.sampled
        self.names[span.name] = set(span.attributes or {})


@pytest.mark.parametrize("others", [None, ALWAYS_OFF, TraceIdRatioBased(0)], ids=["default", "off", "ratio"])
def test_what_is_recorded_without_being_sampled_has_all_attributes(others: Sampler | None) -> None:
    """`AlwaysRecordSampler` records what it drops, to count it: with the attributes that the spans were started with."""
    caller = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.DEFAULT))
    for parent in (NonRecordingSpan(caller), INVALID_SPAN):
        recorded = Recorded()
        provider = TracerProvider(sampler=RecordOnly(0, others), shutdown_on_exit=False)
        provider.add_span_processor(recorded)
        tracer = provider.get_tracer(__name__)
        with use_span(parent):
            tracer.start_span("example", attributes={"dspy.operation.name": "example", "started": 1}).end()
        with use_span(NonRecordingSpan(caller)):
            tracer.start_span("chat", attributes={"started": 1}).end()
        assert recorded.names == {"example": {"dspy.operation.name", "started"}, "chat": {"started"}}


def test_it_is_found_by_name() -> None:
    """OTEL_TRACES_SAMPLER=otel_dspy_examples with its ratio gives this sampler."""
    variables = exported(covered_blocks("test_it_is_found_by_name")[0])
    sampler = _import_sampler(variables["OTEL_TRACES_SAMPLER"])
    assert sampler is not None
    assert (
        sampler.get_description()
        == "ExampleSampler{1.0,ParentBased{root:AlwaysOnSampler,remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler}}"
    )
    argument = variables["OTEL_TRACES_SAMPLER_ARG"]
    assert from_argument(argument).get_description().startswith("ExampleSampler{0.1,")
    assert from_argument("0.25").get_description().startswith("ExampleSampler{0.25,")


@pytest.mark.parametrize("ratio", [math.nan, math.inf, -1, 2, True, "0.5", None])
def test_a_ratio_that_is_no_share_is_rejected(ratio: Any) -> None:
    """The message has the value and what to use."""
    with pytest.raises(ValueError, match=f"{ratio!r} is not a share of examples: use a number from 0 to 1"):
        ExampleSampler(ratio)


@pytest.mark.parametrize("argument", ["many", "2", "-0.5", "nan"])
def test_an_invalid_ratio_is_rejected_with_a_message(argument: str) -> None:
    """The message names the variable, the value and what it should be."""
    with pytest.raises(ValueError, match=f"OTEL_TRACES_SAMPLER_ARG .* from 0 to 1, not '{argument}'"):
        from_argument(argument)
