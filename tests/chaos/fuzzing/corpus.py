"""Requests as OpenTelemetry's exporter sends them, taken from real optimizations with all content, a few spans each."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import dspy
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from otel_dspy import semconv
from otel_dspy.telemetry.content import payloads
from tests.behavior.model import model
from tests.behavior.observation import Stage
from tests.behavior.optimizations import OPTIMIZATIONS
from tests.behavior.programs import add
from tests.support.addition_task import examples
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SPANS: Final = 1
"""Spans of a request, before others are put beside them."""
PIECE: Final = 1200
"""Bytes beyond which a text goes out in pieces: so that there are some without texts of megabytes."""
OPTIMIZERS: Final = ("MIPROv2 with minibatches", "GEPA", "SIMBA", "BootstrapFewShotWithRandomSearch")
NAMES: Final = tuple(value for name, value in vars(semconv).items() if name.startswith("DSPY_"))
"""Every attribute that the bridge may read something from."""


@functools.cache
def corpus(folder: Path) -> tuple[ExportTraceServiceRequest, ...]:
    """The spans of four optimizations and of an agent, in the order in which they ended."""
    untyped: Any = dspy
    with (
        mock.patch.object(payloads, "PIECE_BYTES", PIECE),
        recording(capture_content=True, capture_programs=True, capture_datasets=True) as recorder,
    ):
        for name in OPTIMIZERS:
            with untyped.context(lm=model()):
                OPTIMIZATIONS[name](Stage(model(), folder))
        with untyped.context(lm=model()):
            untyped.ReAct("question -> answer", tools=[add], max_iters=2)(question=examples(1)[0].question)
    spans = recorder.spans
    return tuple(encode_spans(spans[start : start + SPANS]) for start in range(0, len(spans), SPANS))
