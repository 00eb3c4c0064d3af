"""Requests parsed as the bridge parses them, as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_dspy.otlp_requests.json_spans import spans_in_json
from otel_dspy.otlp_requests.protobuf_spans import BadSpanError, spans_in_protobuf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan


@dataclass(slots=True)
class ParsedRequest:
    """Content of a request.

    Attributes:
        spans: the valid spans.
        refused: the reason for each invalid span.
    """

    spans: list[ReceivedSpan] = field(default_factory=list["ReceivedSpan"])
    refused: list[str] = field(default_factory=list[str])


def from_protobuf(body: bytes) -> ParsedRequest:
    """Parse a request in protobuf."""
    return _collected(spans_in_protobuf(body))


def from_json(body: bytes) -> ParsedRequest:
    """Parse a request in JSON."""
    return _collected(spans_in_json(body))


def _collected(spans: Iterable[ReceivedSpan | BadSpanError]) -> ParsedRequest:
    found = ParsedRequest()
    for span in spans:
        if isinstance(span, BadSpanError):
            found.refused.append(str(span))
        else:
            found.spans.append(span)
    return found
