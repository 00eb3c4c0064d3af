"""Bounded set of the spans delivered last, by id and destination."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.route import Destination

_TRACE_ID_BYTES = 16
_DESTINATION_BYTES = 4


class DeliveredSpans:
    """Bounded set of span ids, about 100 bytes each. Only `names` is thread-safe."""

    def __init__(self, most: int) -> None:
        """Create an empty set.

        Args:
            most: maximum number of ids; the oldest are evicted.
        """
        self._most = most
        self._known: set[bytes] = set()
        self._order: deque[bytes] = deque()
        self._destinations: dict[Destination, bytes] = {}

    def add(self, trace_id: str, span_id: str, destination: Destination) -> None:
        """Add a span that was delivered to `destination`; ids are hexadecimal.

        Args:
            trace_id: 32 hexadecimal digits.
            span_id: 16 hexadecimal digits.
            destination: where the span was delivered.
        """
        packed = self._packed(trace_id, span_id, destination)
        if packed in self._known:
            return
        self._known.add(packed)
        self._order.append(packed)
        if len(self._order) > self._most:
            self._known.discard(self._order.popleft())

    def has(self, trace_id: str, span_id: str, destination: Destination) -> bool:
        """Return whether the set holds the span for `destination`.

        Args:
            trace_id: 32 hexadecimal digits.
            span_id: 16 hexadecimal digits.
            destination: where the span is to be delivered.
        """
        return self._packed(trace_id, span_id, destination) in self._known

    def _packed(self, trace_id: str, span_id: str, destination: Destination) -> bytes:
        known = self._destinations
        number = known.setdefault(destination, len(known).to_bytes(_DESTINATION_BYTES, "big"))
        return bytes.fromhex(trace_id + span_id) + number

    def names(self) -> set[tuple[str, str]]:
        """Return (trace id, span id) of all spans in the set."""
        ids = [one[:-_DESTINATION_BYTES] for one in self._known.copy()]
        return {(one[:_TRACE_ID_BYTES].hex(), one[_TRACE_ID_BYTES:].hex()) for one in ids}
