"""Sampler of the tracer provider that `autolog` creates: an application's own sampling does not concern MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, get_current_span, set_span_in_context
from typing_extensions import override

from otel_dspy.runtime.enclosing_call import innermost_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.sampling import SamplingResult
    from opentelemetry.trace import Link, SpanKind
    from opentelemetry.trace.span import TraceState
    from opentelemetry.util.types import Attributes


class AutologSampler(Sampler):
    """Delegates to another sampler, and passes it a span below an unsampled span of the application as a root span.

    A parent-based sampler, which is the SDK's default, would otherwise drop the calls in a request that the application
    does not sample for its own backend. Inside a call of DSPy, the parent is the span of that call, whatever spans are
    in between, even if the application has started a new trace: below a dropped call, everything is dropped.

    Args:
        others: sampler that decides.
    """

    def __init__(self, others: Sampler) -> None:
        self._others = others

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
        enclosing = innermost_call(parent_context) if parent.is_valid else None
        if enclosing is not None:
            if enclosing.span_id != parent.span_id:
                parent_context = set_span_in_context(NonRecordingSpan(enclosing), parent_context)
        elif parent.is_valid and not parent.trace_flags.sampled:
            parent_context = set_span_in_context(INVALID_SPAN, parent_context)
        return self._others.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    @override
    def get_description(self) -> str:
        """Return the description of the sampler that decides."""
        return self._others.get_description()
