"""Spans of each kind as records, and as the MLflow operations that the mapping makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from otel_dspy.mlflow.mapping import dispatch as mapping
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.route import Options, RootKind, TraceContext
from otel_dspy.mlflow.records.span import SpanRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.mapping.operations import Operation
    from otel_dspy.mlflow.records.span import AttributeValue
    from otel_dspy.mlflow.records.span_records import Record

Found = TypeVar("Found")
CID = "c" * 32
IDENTITY: dict[str, Any] = {"dspy.compile.id": CID, "dspy.optimizer.name": "MIPROv2", "dspy.program.name": "Solver"}
IDENTITY_ENDED: dict[str, Any] = {name.replace(".", "__"): value for name, value in IDENTITY.items()}
CONTEXT = TraceContext(trace_id="t" * 32, root_id="root", kind=RootKind.COMPILE, compile_id=CID)
RUNS_ONLY = Options(log_traces=False)


def operations_of(operation: str, *, options: Options | None = None, context: TraceContext = CONTEXT, span_id: str = "s",
         error: bool = False, **attributes: AttributeValue) -> list[Operation]:  # fmt: skip
    """The operations for one span; `__` in a keyword stands for a dot."""
    found = record_of(operation, span_id=span_id, error=error, trace_id=context.trace_id, **attributes)
    return list(mapping.operations(found, options or Options(), context))


def record_of(operation: str, *, span_id: str = "s", error: bool = False, trace_id: str = CONTEXT.trace_id,
         **attributes: AttributeValue) -> Record:  # fmt: skip
    """The record of one span; `__` in a keyword stands for a dot."""
    dotted = {name.replace("__", "."): value for name, value in attributes.items()}
    return decode.record_of(span(operation, dotted, span_id=span_id, error=error, trace_id=trace_id))


def span(operation: str, attributes: Mapping[str, Any], **fields: Any) -> SpanRecord:
    """A span from 1 s to 3 s of the epoch, in the compile's trace, below its root."""
    error = bool(fields.get("error", False))
    given: dict[str, Any] = {
        "trace_id": CONTEXT.trace_id, "span_id": "s", "parent_id": "root", "name": operation, "kind": "INTERNAL",
        "start_ns": 1_000_000_000, "end_ns": 3_000_000_000, "message": "it broke" if error else None,
        "attributes": {"dspy.operation.name": operation, **attributes},
    }  # fmt: skip
    return SpanRecord(**given | fields)


def mapped(
    found: SpanRecord, context: TraceContext = CONTEXT, options: Options = RUNS_ONLY, **update: Any
) -> list[Operation]:
    """The operations for a span; without those of traces unless the options say so."""
    return list(mapping.operations(decode.record_of(found), options, context, **update))


def kinds(operations: list[Operation]) -> list[str]:
    """Names of the operations' types, in order."""
    return [type(operation).__name__ for operation in operations]


def only(operations: list[Operation], kind: type[Found]) -> Found:
    """The one operation of that type."""
    (found,) = [operation for operation in operations if isinstance(operation, kind)]
    return found
