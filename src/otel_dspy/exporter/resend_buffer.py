"""Bounded in-memory buffer of spans to resend, after the receiver has requested a retry delay."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

_logger = logging.getLogger(__name__)

MAX_RETAINED_BYTES: Final = 16 * 1024 * 1024
"""Maximum size of the retained spans, encoded, in bytes; beyond it the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class _Part:
    spans: Sequence[ReadableSpan]
    size: int
    due: float


class RetainedParts:
    """FIFO buffer of failed parts of batches. Not thread-safe: an exporter is called by one thread."""

    def __init__(self) -> None:
        self._parts: deque[_Part] = deque()
        self._warned = False

    @property
    def seconds(self) -> float | None:
        """Seconds until the oldest part is due, 0 if it is due already; None if the buffer is empty."""
        return max(0.0, self._parts[0].due - time.monotonic()) if self._parts else None

    def __len__(self) -> int:
        """Return the number of retained spans."""
        return sum(len(part.spans) for part in self._parts)

    def add(self, spans: Sequence[ReadableSpan], size: int, seconds: float) -> int:
        """Retain spans.

        Args:
            spans: a part of a batch.
            size: encoded size in bytes.
            seconds: delay before they are resent.

        Returns:
            The number of spans dropped because the buffer was full.
        """
        self._parts.append(_Part(spans, size, time.monotonic() + seconds))
        lost = 0
        while sum(part.size for part in self._parts) > MAX_RETAINED_BYTES:
            lost += len(self._parts.popleft().spans)
        if lost and not self._warned:
            self._warned = True
            _logger.warning(
                "The receiver does not accept spans and the retry buffer (%.0f MiB) is full; dropping the oldest",
                MAX_RETAINED_BYTES / 2**20,
            )
        return lost

    def send(self, send: Callable[[Sequence[ReadableSpan]], bool], *, early: bool = False) -> bool:
        """Resend the parts that are due, the oldest first, until one fails.

        Args:
            send: sends a part; returns False on failure. It may call `add`.
            early: also resend parts that are not due yet.

        Returns:
            False if a part failed.
        """
        for _ in range(len(self._parts)):
            if not early and self._parts[0].due > time.monotonic():
                return True
            if not send(self._parts.popleft().spans):
                return False
        return True
