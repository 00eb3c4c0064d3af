"""Spans that have been written, by id: the last so many."""

from __future__ import annotations

from collections import deque

_TRACE_ID_BYTES = 16


class Remembered:
    """Ids of spans, in a tenth of a kilobyte each. Not thread-safe but for `names`."""

    def __init__(self, most: int) -> None:
        """Create it.

        Args:
            most: ids; the oldest are forgotten beyond it.
        """
        self._most = most
        self._known: set[bytes] = set()
        self._order: deque[bytes] = deque()

    def add(self, trace_id: str, span_id: str) -> None:
        """Remember a span; ids in hexadecimal."""
        packed = bytes.fromhex(trace_id + span_id)
        if packed in self._known:
            return
        self._known.add(packed)
        self._order.append(packed)
        if len(self._order) > self._most:
            self._known.discard(self._order.popleft())

    def has(self, trace_id: str, span_id: str) -> bool:
        """Whether the span is remembered."""
        return bytes.fromhex(trace_id + span_id) in self._known

    def names(self) -> set[tuple[str, str]]:
        """All of them: trace id and span id."""
        return {(one[:_TRACE_ID_BYTES].hex(), one[_TRACE_ID_BYTES:].hex()) for one in self._known.copy()}
