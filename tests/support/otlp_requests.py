"""OTLP requests in protobuf, made by hand: spans of otel-dspy and of other instrumentations."""

from __future__ import annotations

import time
import uuid

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_dspy.span_format import SCOPE_NAME


def ours(name: str, trace_id: bytes | None = None) -> Span:
    """The root of a trace, as otel-dspy records a module's call; of a new trace by default."""
    span = _span(name, trace_id)
    span.attributes.add(key="dspy.operation.name").value.string_value = "module"
    return span


def foreign(name: str, parent: Span | None = None) -> Span:
    """A span that another instrumentation has recorded below `parent`; the root of a new trace by default."""
    span = _span(name, parent.trace_id if parent is not None else None)
    if parent is not None:
        span.parent_span_id = parent.span_id
    return span


def encoded(*spans: Span, experiment: str | None = None) -> bytes:
    """Return a request with these spans, each in the scope of its instrumentation.

    :param experiment: the resource attribute `mlflow.experiment.name`.
    """
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    if experiment is not None:
        group.resource.attributes.add(key="mlflow.experiment.name").value.string_value = experiment
    for scope, own in ((SCOPE_NAME, True), ("http.client", False)):
        some = [span for span in spans if bool(span.attributes) is own]
        if some:
            group.scope_spans.add(spans=some).scope.name = scope
    return request.SerializeToString()


def _span(name: str, trace_id: bytes | None) -> Span:
    now = time.time_ns()
    return Span(
        trace_id=trace_id or uuid.uuid4().bytes, span_id=uuid.uuid4().bytes[:8], name=name,
        start_time_unix_nano=now, end_time_unix_nano=now,
    )  # fmt: skip
