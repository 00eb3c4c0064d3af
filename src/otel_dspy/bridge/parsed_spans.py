"""Spans that stay in memory between the check of a request and its write, within a bound for all requests."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_dspy.bridge.foreign_spans import RoutedSpan


class SpanMemory:
    """Bound of the memory for parsed spans, in bytes of the requests that contain them. Thread-safe."""

    def __init__(self, most: int) -> None:
        """Create a bound.

        Args:
            most: maximum number of bytes; parsed spans take about ten times as much.
        """
        self._most = most
        self._used = 0
        # A collection of garbage within the lock may delete spans.
        self._lock = threading.RLock()

    def reserved(self, size: int) -> ParsedSpans | None:
        """Return a place for the spans of a request, whose memory is free again once it is deleted; None without room.

        Args:
            size: bytes of the request.
        """
        with self._lock:
            if self._used + size > self._most:
                return None
            self._used += size
        return ParsedSpans(self, size)

    def release(self, size: int) -> None:
        """Free the memory of a request.

        Args:
            size: its bytes.
        """
        with self._lock:
            self._used -= size


class ParsedSpans:
    """Parsed spans of one request.

    Attributes:
        spans: (span, route) pairs.
    """

    __slots__ = ("_memory", "_size", "spans")

    def __init__(self, memory: SpanMemory, size: int) -> None:
        """Create an empty collection, whose memory has been reserved.

        Args:
            memory: the bound.
            size: bytes of the request.
        """
        self.spans: list[RoutedSpan] = []
        self._memory = memory
        self._size = size

    def __del__(self) -> None:
        """Free the memory: a client may stop waiting before its request is written."""
        self._memory.release(self._size)
