"""An ended span of any source, independent of OpenTelemetry's SDK.

An absent value is None or empty, never a default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

AttributeValue = str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]
Attributes = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A reference to a span of another trace; ids in hex."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRecord:
    """An ended span of any source."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""
    parent_id: str | None
    name: str
    kind: str
    """INTERNAL, CLIENT, ..."""
    start_ns: int
    end_ns: int
    attributes: Attributes
    error: bool = False
    message: str | None = None
    """Description of an error status."""
    links: tuple[SpanLink, ...] = ()
    resource: Attributes = field(default_factory=dict[str, AttributeValue])
    scope: str = ""
    """Name of the instrumentation scope."""

    @property
    def start_ms(self) -> int:
        """Start, milliseconds since the epoch."""
        return self.start_ns // 1_000_000

    @property
    def end_ms(self) -> int:
        """End, milliseconds since the epoch."""
        return self.end_ns // 1_000_000
