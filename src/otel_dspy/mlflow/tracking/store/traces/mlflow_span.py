"""Conversion of a span to MLflow's entity, with attribute values encoded as MLflow's stores expect them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from mlflow.entities import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from otel_dspy.mlflow.tracking.store.traces.prices import NO_PRICE, may_be_priced, parts_of
from otel_dspy.serialization.json_text import nesting

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.trace_operations import LogSpan
    from otel_dspy.mlflow.records.span import Attributes


_COST: Final = "mlflow.llm.cost"
MAX_NESTING: Final = 500
"""Levels of a text that MLflow may decode: at about a thousand its decoder raises, and the span is rejected."""
TOO_DEEP: Final = "nested too deeply for MLflow: "
"""Prefix of a deeper text. MLflow finds no JSON in it, and keeps it as it is."""

_resources: dict[int, tuple[Attributes, Resource]] = {}
"""Resources by the ids of their attributes: spans of a provider, or of a request, share one."""
_RESOURCES: Final = 16

_encode: Final = json.JSONEncoder(ensure_ascii=False, default=list).encode
"""`json.dumps` creates an encoder for each text."""


def mlflow_span(logged: LogSpan) -> Span:
    """Return the MLflow span. MLflow keeps each attribute as JSON text, including the trace's id."""
    span = logged.span
    attributes = {name: _stored(value) for name, value in logged.attributes.items()}
    if logged.unpriced_model is not None and may_be_priced(logged.unpriced_model):
        # MLflow cannot express "no cost": it rejects a batch with null, and reads an empty cost as 0.
        attributes["mlflow.llm.model"] = json.dumps(logged.unpriced_model + NO_PRICE, ensure_ascii=False)
    if (costs := cost_of(logged)) is not None:
        attributes[_COST] = json.dumps(costs)
    attributes["mlflow.traceRequestId"] = json.dumps(f"tr-{logged.trace_id}")
    status = Status(StatusCode.ERROR, span.message) if span.error else Status(StatusCode.OK)
    return Span(
        ReadableSpan(
            name=span.name,
            context=_context(logged.trace_id, span.span_id),
            parent=_context(logged.trace_id, logged.parent_id) if logged.parent_id else None,
            start_time=span.start_ns,
            end_time=span.end_ns,
            attributes=attributes,
            events=[Event(event.name, json.loads(event.attributes), event.time_ns) for event in logged.events],
            status=status,
            links=[Link(_context(link.trace_id, link.span_id)) for link in span.links],
            resource=_resource(span.resource),
        )
    )


def cost_of(logged: LogSpan) -> dict[str, float] | None:
    """Return the cost of a call in USD, in parts if MLflow's price list has them; None if it is unknown."""
    if logged.cost and (parts := parts_of(logged.cost, logged.span.attributes)) is not None:
        return dict(zip(("input_cost", "output_cost", "total_cost"), (*parts, logged.cost), strict=True))
    return cast("dict[str, float] | None", logged.attributes.get(_COST))


def _stored(value: object) -> str:
    """Encode an attribute's value as JSON text; text that is a JSON object or array already is not encoded again.

    MLflow parses both to the object: up to 3.17 from any store, in 3.18 only what a server receives.
    """
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        if nesting(value) > MAX_NESTING:
            return json.dumps(TOO_DEEP + value, ensure_ascii=False)
        if value.startswith(("{", "[")) and _is_json(value):
            return value
    # The encoder takes ten times as long for a number.
    return repr(value) if type(value) is int else _encode(value)


def _resource(attributes: Attributes) -> Resource:
    known = _resources.get(id(attributes))
    if known is None or known[0] is not attributes:
        if len(_resources) >= _RESOURCES:
            _resources.clear()
        known = _resources[id(attributes)] = attributes, Resource(attributes)
    return known[1]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1))
