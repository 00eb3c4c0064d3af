"""MLflow's span with precomputed values; MLflow's own class computes each of them from OpenTelemetry's span."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from typing import Any, Final

from mlflow.entities import Span, SpanStatus
from opentelemetry.trace import Status, StatusCode

from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.records.span import SpanLink, SpanRecord
from otel_dspy.mlflow.tracking.store.traces.readable_span import readable_span

_COMPARED: Final = (
    "trace_id", "span_id", "parent_id", "name", "start_time_ns", "end_time_ns", "status", "span_type",
)  # fmt: skip
"""What a store on a database reads, in addition to the dictionary. The class has these properties."""
_TYPE: Final = "mlflow.spanType"
_IDS: Final = ("0123456789abcdef0123456789abcdef", "0123456789abcdef")
_ROOT: Final = SpanRecord(
    trace_id=_IDS[0], span_id=_IDS[1], parent_id=None, name="a", kind="INTERNAL", start_ns=1, end_ns=2, attributes={}
)
_EXAMPLES: Final = (
    LogSpan(key="", trace_id=_IDS[0], span=_ROOT, parent_id=None, attributes={}),
    LogSpan(
        key="",
        trace_id=_IDS[0],
        span=SpanRecord(
            trace_id=_IDS[0], span_id="0fedcba987654321", parent_id=_IDS[1], name="b", kind="CLIENT", start_ns=3,
            end_ns=4, attributes={}, error=True, message="c", links=(SpanLink(*_IDS),), resource={"d": "e"},
        ),
        parent_id=_IDS[1],
        attributes={},
    ),
)  # fmt: skip


class PrecomputedSpan(Span):
    """MLflow's span; what has not been computed before is computed by MLflow's own class."""

    def __init__(self, logged: LogSpan, attributes: dict[str, str]) -> None:
        """Create a span.

        Args:
            logged: the span, without events.
            attributes: its attributes as JSON texts, with the trace's id.
        """
        self._logged = logged
        self._encoded = attributes
        self._whole = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever MLflow's class has
        """Return an attribute that MLflow's class sets when it is created.

        Raises:
            AttributeError: it has none of this name.
        """
        if name.startswith("__") or vars(self).get("_whole", True):
            raise AttributeError(name)
        self._whole = True
        super().__init__(readable_span(self._logged, self._encoded))
        return getattr(self, name)

    @property
    def trace_id(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - MLflow's is a cached property
        """MLflow's id of the trace."""
        return f"tr-{self._logged.trace_id}"

    @property
    def span_id(self) -> str:
        """16 hex digits."""
        return _hex(self._logged.span.span_id)

    @property
    def parent_id(self) -> str | None:
        """16 hex digits."""
        return _hex(self._logged.parent_id) if self._logged.parent_id else None

    @property
    def name(self) -> str:
        """Name of the span."""
        return self._logged.span.name

    @property
    def start_time_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self._logged.span.start_ns

    @property
    def end_time_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self._logged.span.end_ns

    @property
    def status(self) -> SpanStatus:
        """MLflow's status."""
        span = self._logged.span
        return SpanStatus.from_otel_status(Status(StatusCode.ERROR, span.message)) if span.error else _ok()

    @property
    def span_type(self) -> Any:  # noqa: ANN401 - None without one, where MLflow's has `str`
        """MLflow's type of the span."""
        text = self._encoded.get(_TYPE)
        return json.loads(text) if text else None

    def to_dict(self) -> dict[str, Any]:
        """Return what MLflow stores of the span."""
        span, status = self._logged.span, self.status
        return {
            "trace_id": _base64(self._logged.trace_id, 16),
            "span_id": _base64(span.span_id, 8),
            "parent_span_id": _base64(self._logged.parent_id, 8) if self._logged.parent_id else None,
            "name": span.name,
            "start_time_unix_nano": span.start_ns,
            "end_time_unix_nano": span.end_ns,
            "events": [],
            "status": {"code": f"STATUS_CODE_{status.status_code.value}", "message": status.description},
            "attributes": type(self._encoded)(self._encoded),
            "links": [
                {"trace_id": f"tr-{int(link.trace_id, 16):032x}", "span_id": _hex(link.span_id), "attributes": None}
                for link in span.links
            ],
        }


@cache
def _ok() -> SpanStatus:
    return SpanStatus.from_otel_status(Status(StatusCode.OK))


@cache
def has_equal_values() -> bool:
    """Return whether a `PrecomputedSpan` has the values that MLflow's own class has, in this version of MLflow."""
    attributes = {_TYPE: '"LLM"', "mlflow.traceRequestId": json.dumps(f"tr-{_IDS[0]}")}
    try:
        return all(
            _values(PrecomputedSpan(logged, attributes)) == _values(Span(readable_span(logged, attributes)))
            for logged in _EXAMPLES
        )
    except Exception:  # noqa: BLE001 - another version has another class
        return False


def _values(span: Span) -> list[object]:
    # As text, which has the order of the keys.
    return [*(getattr(span, name) for name in _COMPARED), json.dumps(span.to_dict())]


def _hex(span_id: str) -> str:
    return f"{int(span_id, 16):016x}"


def _base64(hex_id: str, length: int) -> str:
    return b64encode(int(hex_id, 16).to_bytes(length)).decode()
