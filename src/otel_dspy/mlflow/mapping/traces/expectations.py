"""Mapping of an example's labels to expectations of its trace, which MLflow shows beside the outputs."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.mapping.media_text import readable
from otel_dspy.mlflow.mapping.trace_operations import Expectation
from otel_dspy.serialization.json_text import parse_json
from otel_dspy.serialization.json_types import is_object

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span_records import ExampleRecord

MAX_LABELS: Final = 20
"""Maximum expectations of a trace."""
MAX_CHARACTERS: Final = 4000
"""Maximum length of a label as JSON; a longer one is on the example's span alone. MySQL's TEXT holds 65,535 bytes."""
_MAX_INTEGER: Final = 2**53
"""MLflow transfers numbers as doubles."""


def expectations(example: ExampleRecord, trace_id: str) -> tuple[Expectation, ...]:
    """Return an expectation for each label of the example, named after the field.

    Args:
        example: the example.
        trace_id: the trace that its span is logged in.
    """
    labels = parse_json(example.labels) if example.labels is not None else None
    if not is_object(labels) or example.repeated:
        return ()
    found: list[Expectation] = []
    for name, label in labels.items():
        value = _value(label)
        key = _text(name)[: naming.MAX_KEY]
        if value is None or not key or len(found) == MAX_LABELS:
            continue
        # Derived from the span's identity, so that logging it twice is idempotent.
        digest = hashlib.sha256(f"{trace_id}/{example.span.span_id}/expected/{key}".encode()).hexdigest()
        found.append(Expectation(assessment_id=f"a-{digest[:32]}", name=key, value=value, time_ms=example.span.end_ms))
    return tuple(found)


def _value(label: object) -> object:
    """Return the label as MLflow accepts it; None if it is absent or too long."""
    match label:
        case int():  # a bool too
            return label if abs(label) <= _MAX_INTEGER else str(label)
        case float():
            return label if math.isfinite(label) else str(label)
        case str():
            found = _text(str(readable(label)))
            return found if len(found) <= MAX_CHARACTERS else None
        case _:
            found = readable(label)
            return found if len(json.dumps(found)) <= MAX_CHARACTERS else None


def _text(text: str) -> str:
    """Return the text without what UTF-8 cannot encode, and without NUL, which PostgreSQL rejects."""
    return text.encode(errors="replace").decode().replace("\x00", "")
