"""Sampler that samples a share of the examples and keeps the other spans of an optimization.

The SDK's ratio samplers drop whole compiles together with their scores. `ExampleSampler` decides by the kind of span:
it samples a share of the examples, each with all calls inside, in both trace shapes, and delegates all other spans to
another sampler.

    TracerProvider(sampler=ExampleSampler(0.1))

or `OTEL_TRACES_SAMPLER=otel_dspy_examples OTEL_TRACES_SAMPLER_ARG=0.1`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import get_current_span
from typing_extensions import override

from otel_dspy import semconv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind
    from opentelemetry.trace.span import TraceState
    from opentelemetry.util.types import Attributes

NAME: Final = "otel_dspy_examples"
"""Value of OTEL_TRACES_SAMPLER for `ExampleSampler`."""
_ID_BITS: Final = 64


class ExampleSampler(Sampler):
    """Samples a share of the examples; `others` decides on all other spans.

    The decision depends on ids only, so that all processes that see the same ids make the same decision.

    Args:
        ratio: share of examples to sample, 0 to 1.
        others: sampler for all spans but those of examples, and for examples whose parent is not sampled. Default:
            `ParentBased(ALWAYS_ON)`.

    Raises:
        ValueError: the ratio is not between 0 and 1.
    """

    def __init__(self, ratio: float, others: Sampler | None = None) -> None:
        if not _is_share(ratio):
            message = f"{ratio!r} is not a share of examples: use a number from 0 to 1"
            raise ValueError(message)
        self._by_id = TraceIdRatioBased(ratio)
        self._others = ParentBased(ALWAYS_ON) if others is None else others

    @override
    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return the sampling decision for a span."""
        parent = get_current_span(parent_context).get_span_context()
        given = attributes or {}
        if given.get(semconv.DSPY_OPERATION_NAME) != "example" or (parent.is_valid and not parent.trace_flags.sampled):
            result = self._others.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
            return _dropped(attributes, result.trace_state) if result.decision is Decision.DROP else result
        number = trace_id
        if parent.is_valid:
            # All examples of a nested compile share its trace id: the index in the evaluation distinguishes them.
            position = f"{parent.trace_id:x}/{parent.span_id:x}/{given.get(semconv.DSPY_EXAMPLE_INDEX)}"
            number = int.from_bytes(hashlib.sha256(position.encode()).digest()) % 2**_ID_BITS
        if self._by_id.should_sample(None, number, name).decision is Decision.DROP:
            return _dropped(attributes, parent.trace_state)
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, parent.trace_state)

    @override
    def get_description(self) -> str:
        """Return the sampler's description, for logs."""
        return f"ExampleSampler{{{self._by_id.rate},{self._others.get_description()}}}"


def _dropped(attributes: Attributes, trace_state: TraceState | None) -> SamplingResult:
    # The SDK's samplers return no attributes with this decision. AlwaysRecordSampler around this one takes those of the
    # result for the span that it records.
    return SamplingResult(Decision.DROP, attributes, trace_state)


def _is_share(value: object) -> bool:
    # A caller without a type checker may pass anything.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def from_argument(argument: str | None) -> ExampleSampler:
    """Create the sampler for `OTEL_TRACES_SAMPLER=otel_dspy_examples`.

    Args:
        argument: OTEL_TRACES_SAMPLER_ARG, the ratio; None or empty = 1.

    Raises:
        ValueError: the argument is not a number from 0 to 1. The SDK logs the error and uses its default sampler.
    """
    try:
        return ExampleSampler(float(argument or 1))
    except ValueError as error:
        message = f"OTEL_TRACES_SAMPLER_ARG for otel_dspy_examples must be a number from 0 to 1, not {argument!r}"
        raise ValueError(message) from error
