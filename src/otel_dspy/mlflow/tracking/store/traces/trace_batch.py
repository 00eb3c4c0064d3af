"""Trace batch: trace infos and spans that a delivery sends to `mlflow server --app-name otel-dspy` in one request.

MLflow's API takes one trace info in a request. The body is an OTLP request, each of whose `ResourceSpans` is a write: a
trace info, as a resource attribute with MLflow's own message, or spans as MLflow's client sends them. Its media type is
none that MLflow's endpoint accepts, so that a server without the app rejects it.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from google.protobuf.message import Message
    from mlflow.entities import Span, TraceInfo

MEDIA_TYPE: Final = "application/x-otel-dspy-trace-batch"
PATH: Final = "/v1/traces"
"""MLflow's OTLP endpoint: its permissions apply to a trace batch as well."""
EXPERIMENT_HEADER: Final = "x-mlflow-experiment-id"
_INFO: Final = "trace_info"
_EXISTS: Final = "trace_exists"
_ACCEPTED: Final = "accepted"
_TRANSACTIONS: Final = "transactions"
_RESOURCES: Final = "resource_to_otel_proto"
"""Function of an MLflow that sends resources."""


@dataclass(frozen=True, slots=True)
class InfoWrite:
    """A trace info.

    Attributes:
        info: MLflow's entity, with assessments.
        exists: whether something of the trace was written before, so that the info is merged.
    """

    info: TraceInfo
    exists: bool


@dataclass(frozen=True, slots=True)
class SpansWrite:
    """Spans of one or several traces.

    Attributes:
        spans: MLflow's entities.
        resource: attributes of their resource, which MLflow makes tags of the traces.
    """

    spans: Sequence[Span]
    resource: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What the server app has written of a batch.

    Attributes:
        accepted: for each write whether it was accepted, None if it was not attempted.
        transactions: positions of writes that were committed together.
    """

    accepted: list[bool | None]
    transactions: list[range]

    def encoded(self) -> bytes:
        """Return the body of the response."""
        ranges = [[one.start, one.stop] for one in self.transactions]
        return json.dumps({_ACCEPTED: self.accepted, _TRANSACTIONS: ranges}).encode()


def encoded(write: InfoWrite | SpansWrite) -> bytes:
    """Encode a write. Bodies of several writes are concatenated."""
    from mlflow.tracing.utils import otlp  # noqa: PLC0415 - only where batches are sent; older MLflow has none
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415 - the same
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - the same

    request: Any = trace_service_pb2.ExportTraceServiceRequest()
    group = request.resource_spans.add()
    if isinstance(write, InfoWrite):
        message = cast("Message", cast("Any", write.info).to_proto())
        group.resource.attributes.add(key=_INFO).value.bytes_value = message.SerializeToString()
        group.resource.attributes.add(key=_EXISTS).value.bool_value = write.exists
    else:
        if hasattr(otlp, _RESOURCES):
            group.resource.CopyFrom(getattr(otlp, _RESOURCES)(Resource(cast("Any", write.resource))))
        group.scope_spans.add().spans.extend(span.to_otel_proto() for span in cast("Any", write.spans))
    return request.SerializeToString()


def decoded(body: bytes) -> Iterator[InfoWrite | SpansWrite]:
    """Yield the writes of a body.

    Args:
        body: concatenated writes, not compressed.

    Raises:
        ValueError: the body, a trace info or a span is invalid.
        MlflowException: MLflow rejects a trace info or a span.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - only in MLflow's server
    from mlflow.entities import Span, TraceInfo  # noqa: PLC0415 - the same
    from mlflow.protos.service_pb2 import TraceInfoV3  # noqa: PLC0415 - the same
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415 - the same

    entity: Any = Span
    takes_resource = "resource" in inspect.signature(entity.from_otel_proto).parameters  # not in MLflow 3.9
    try:
        for group in trace_service_pb2.ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = {entry.key: entry.value for entry in group.resource.attributes}
            if _INFO in attributes:
                message = TraceInfoV3.FromString(attributes[_INFO].bytes_value)
                info: TraceInfo = cast("Any", TraceInfo).from_proto(message)
                yield InfoWrite(info, exists=_EXISTS in attributes and attributes[_EXISTS].bool_value)
            else:
                spans = (span for scope in group.scope_spans for span in scope.spans)
                more = {"resource": group.resource} if takes_resource else {}
                yield SpansWrite([entity.from_otel_proto(span, **more) for span in spans], {})
    except (AttributeError, DecodeError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from error


def answer(body: bytes, writes: int) -> BatchAnswer | None:
    """Return the answer in a response; None if the body is none to so many writes.

    Args:
        body: the body of a response.
        writes: number of writes in the request.
    """
    try:
        found: Any = json.loads(body)
        accepted = [None if one is None else bool(one) for one in found[_ACCEPTED]]
        transactions = [range(int(start), int(stop)) for start, stop in found[_TRANSACTIONS]]
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError):
        return None
    return BatchAnswer(accepted, transactions) if len(accepted) == writes else None
