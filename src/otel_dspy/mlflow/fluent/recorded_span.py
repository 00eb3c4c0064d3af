"""Recording of attributes that a program sets on MLflow's active span while that span is a placeholder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.trace import StatusCode, format_span_id, format_trace_id
from wrapt import ObjectProxy

from otel_dspy.mlflow.records.route import SpanUpdate, UserEvent
from otel_dspy.runtime.global_redaction import redacted
from otel_dspy.serialization.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import SpanContext
    from opentelemetry.util.types import AnyValue

_OWN: Final = "mlflow."
"""Prefix of MLflow's own attributes, which are not redacted, except for content."""
_CONTENT: Final = frozenset({"mlflow.spanInputs", "mlflow.spanOutputs"})
_STATUS: Final = "exception.message"
"""The name under which the redactor receives the description of a status."""


class RecordedSpan(cast("type[Any]", ObjectProxy)):  # wrapt has no types
    """An SDK span that records although MLflow treats it as ended.

    MLflow does not export a trace while one of its spans is open, and this span is never ended.

    Args:
        span: a started span of the SDK; it is never ended.
    """

    def __init__(self, span: Any) -> None:  # noqa: ANN401 - the SDK's own class
        super().__init__(span)  # pyright: ignore[reportUnknownMemberType] - the same
        self._self_initial: Mapping[str, object] = {}

    @property
    def _end_time(self) -> int:
        return int(cast("Any", self).start_time)

    @property
    def end_time(self) -> int:
        """Nanoseconds since the epoch."""
        return self._end_time

    def end(self, *_: object, **__: object) -> None:
        """Do nothing: the instrumented call ends its span."""

    def registered(self) -> None:
        """Treat all attributes set so far as MLflow's own; `update` returns what is set later."""
        self._self_initial = dict(cast("Any", self).attributes)

    def update(self) -> SpanUpdate | None:
        """Return what the program has set since `registered`, redacted; None = nothing."""
        span: Any = self
        initial = self._self_initial
        changed = {name: text for name, text in span.attributes.items() if initial.get(name) != text}
        status = span.status
        update = SpanUpdate(
            attributes=tuple((name, _redacted_json(name, text)) for name, text in changed.items()),
            events=tuple(_event(event) for event in span.events),
            links=tuple(_ids(link.context) for link in span.links),
            failed=status.status_code is StatusCode.ERROR,
            message=_text(_STATUS, status.description) if status.description else None,
        )
        return None if update == SpanUpdate() else update


def _ids(context: SpanContext) -> tuple[str, str]:
    return format_trace_id(context.trace_id), format_span_id(context.span_id)


def _event(event: Any) -> UserEvent:  # noqa: ANN401 - the SDK's own class
    given: Mapping[str, object] = event.attributes or {}
    attributes = {name: redacted(name, _plain(value)) for name, value in given.items()}
    return UserEvent(str(event.name), int(event.timestamp), json.dumps(attributes, ensure_ascii=False, default=str))


def _redacted_json(name: str, text: object) -> str:
    """Return an attribute's value as redacted JSON text; MLflow sets JSON text itself."""
    value = cast("AnyValue", parse_json(text, text)) if isinstance(text, str) else _plain(text)
    if not name.startswith(_OWN) or name in _CONTENT:
        value = redacted(name, value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _text(name: str, text: str) -> str:
    return str(redacted(name, text))


def _plain(value: object) -> Any:  # noqa: ANN401 - what JSON has
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value
