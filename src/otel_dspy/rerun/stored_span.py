"""A span in MLflow, parsed only as far as a recorded call needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from mlflow.entities import span as mlflow_span
from typing_extensions import override

from otel_dspy.rerun.recorded_call import OPERATION, is_call
from otel_dspy.serialization.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAZY: Any = getattr(mlflow_span, "LazySpan", None)
"""Spans that keep what is stored and build the rest when it is read, in MLflow versions that have them."""


class StoredCall(NamedTuple):
    """A span of a language model call.

    Attributes:
        attributes: of the span, each parsed when it is read.
        start_ns: start, nanoseconds since the epoch.
        error: description of the error status, empty without one; None for a call that returned.
    """

    attributes: Mapping[str, Any]
    start_ns: int
    error: str | None


def stored_call(span: Any) -> StoredCall | None:
    """Read a span of MLflow; None if it is not a language model call."""
    stored = _stored(span)
    if stored is None:
        # MLflow parses all attributes of a span when they are read, and most spans are not calls.
        if not is_call(span.get_attribute(OPERATION)):
            return None
        failed = str(span.status.status_code.value) == "ERROR"
        return StoredCall(span.attributes, int(span.start_time_ns), _error(span.status.description, failed=failed))
    attributes = _Attributes(stored["attributes"])
    if not is_call(attributes.get(OPERATION)):
        return None
    status: Mapping[str, Any] = stored.get("status") or {}
    failed = str(status.get("code")).endswith("ERROR")  # STATUS_CODE_ERROR, before MLflow 3.6 ERROR
    return StoredCall(attributes, int(stored["start_time_unix_nano"]), _error(status.get("message"), failed=failed))


def _stored(span: Any) -> Mapping[str, Any] | None:
    """Return a span as it is stored, where that takes no conversion."""
    if _LAZY is None or not isinstance(span, _LAZY):
        return None
    found: Mapping[str, Any] = span.to_dict()
    return found if {"attributes", "start_time_unix_nano"} <= found.keys() else None


def _error(description: object, *, failed: bool) -> str | None:
    return str(description or "") if failed else None


class _Attributes(Mapping[str, Any]):
    """Attributes, which MLflow stores as JSON texts, each parsed when it is read."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._stored = stored

    @override
    def __getitem__(self, name: str) -> Any:
        value = self._stored[name]
        return parse_json(value, value) if isinstance(value, str) else value  # as it is if it is no JSON, as in MLflow

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    @override
    def __len__(self) -> int:
        return len(self._stored)
