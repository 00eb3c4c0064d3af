"""Conversion of a span to MLflow's entity, with attribute values encoded as MLflow's stores expect them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from mlflow.entities import Span

from otel_dspy.mlflow.tracking.store.traces.encoded_attributes import EncodedAttributes, may_be_encoded_twice
from otel_dspy.mlflow.tracking.store.traces.precomputed_span import PrecomputedSpan, has_equal_values
from otel_dspy.mlflow.tracking.store.traces.prices import NO_PRICE, may_be_priced, parts_of
from otel_dspy.mlflow.tracking.store.traces.readable_span import readable_span
from otel_dspy.serialization.json_text import nesting

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.trace_operations import LogSpan


_COST: Final = "mlflow.llm.cost"
MAX_NESTING: Final = 500
"""Levels of a text that MLflow may decode: at a thousand (Python 3.11) its decoder raises, and the span is rejected."""
TOO_DEEP: Final = "nested too deeply for MLflow: "
"""Prefix of a deeper text. MLflow finds no JSON in it, and keeps it as it is."""

_encode: Final = json.JSONEncoder(ensure_ascii=False, default=list).encode
"""`json.dumps` creates an encoder for each text."""


def mlflow_span(logged: LogSpan) -> Span:
    """Return the MLflow span. MLflow keeps each attribute as JSON text, including the trace's id."""
    attributes = {name: _stored(value) for name, value in logged.attributes.items()}
    if logged.unpriced_model is not None and may_be_priced(logged.unpriced_model):
        # MLflow cannot express "no cost": it rejects a batch with null, and reads an empty cost as 0.
        attributes["mlflow.llm.model"] = json.dumps(logged.unpriced_model + NO_PRICE, ensure_ascii=False)
    if (costs := cost_of(logged)) is not None:
        attributes[_COST] = json.dumps(costs)
    attributes["mlflow.traceRequestId"] = json.dumps(f"tr-{logged.trace_id}")
    if logged.events or not has_equal_values():
        return Span(readable_span(logged, attributes))
    twice = any(
        isinstance(value, str) and attributes[name] is not value and may_be_encoded_twice(value)
        for name, value in logged.attributes.items()
    )
    return PrecomputedSpan(logged, attributes if twice else EncodedAttributes(attributes))


def cost_of(logged: LogSpan) -> dict[str, float] | None:
    """Return the cost of a call in USD, in parts if MLflow's price list has them; None if it is unknown."""
    if logged.cost and (parts := parts_of(logged.cost, logged.attributes)) is not None:
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


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
