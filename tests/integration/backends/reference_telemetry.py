"""Telemetry sent to the backends over OTLP: a small optimization, then a service with conversations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import dspy
from dspy.teleprompt import BootstrapFewShotWithRandomSearch
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_dspy
from otel_dspy import DSPyInstrumentor
from tests.support.addition_task import exact, examples, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import scripted_lm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

SHAPES: Final = ("linked", "nested")
"""Shapes of traces."""
CONVENTIONS: Final = ("plain", "openinference")
"""The attributes of otel-dspy alone, and those of OpenInference beside them."""


@dataclass(frozen=True)
class SentTelemetry:
    """What went out."""

    spans: Sequence[ReadableSpan]

    def named(self, prefix: str) -> list[ReadableSpan]:
        """Those whose name begins so, in order of their start."""
        return sorted(
            (span for span in self.spans if span.name.startswith(prefix)), key=lambda span: span.start_time or 0
        )

    def total(self, name: str) -> Any:
        """The sum of an attribute."""
        values: list[Any] = [(span.attributes or {}).get(name, 0) for span in self.spans]
        return sum(values)


def send_telemetry(
    project: str, exporters: Sequence[SpanExporter], resource: Mapping[str, str] | None = None, **settings: Any
) -> SentTelemetry:
    """Optimize, then answer two conversations, `<project>-alice` of two turns and `<project>-bob` of one."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "sums", **(resource or {})}), shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    DSPyInstrumentor().instrument(tracer_provider=provider, **settings)
    try:
        with scripted_lm(dspy_script({"answer": half_right})) as server:
            # DSPy and Phoenix know the price of this name.
            lm = dspy.LM("openai/gpt-4o-mini", api_base=server.api_base, api_key="k", cache=False)
            with dspy.context(lm=lm):
                optimizer: Any = BootstrapFewShotWithRandomSearch(
                    exact, max_bootstrapped_demos=1, max_labeled_demos=1, num_candidate_programs=0, num_threads=1
                )
                program: Any = optimizer.compile(
                    dspy.Predict("question -> answer"), trainset=examples(2), valset=examples(4)[2:]
                )
                for name, turns in (("alice", 2), ("bob", 1)):
                    for turn in range(turns):
                        with otel_dspy.conversation(f"{project}-{name}"):
                            program(question=f"{turn}+1")
    finally:
        DSPyInstrumentor().uninstrument()
    provider.shutdown()
    return SentTelemetry(kept.get_finished_spans())


def otlp(url: str, **headers: str) -> SpanExporter:
    """OpenTelemetry's own exporter over HTTP to a backend's `/v1/traces`."""
    # A server that has just begun may take its time for the first request.
    return OTLPSpanExporter(f"{url}/v1/traces", headers=headers, timeout=60)
