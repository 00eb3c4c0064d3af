"""Bounded memory of spans that a receiver has not taken but may take later."""

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
"""Bytes of encoded spans that are retained; beyond it the oldest are lost."""


@dataclass(frozen=True, slots=True)
class _Part:
    spans: Sequence[ReadableSpan]
    size: int
    due: float


class RetainedParts:
    """Parts of batches in the order in which they failed. Not thread-safe: exporters are called by one thread."""

    def __init__(self) -> None:
        self._parts: deque[_Part] = deque()
        self._warned = False

    @property
    def seconds(self) -> float | None:
        """Seconds until the oldest is due, 0 if it is; None if there is none."""
        return max(0.0, self._parts[0].due - time.monotonic()) if self._parts else None

    def __len__(self) -> int:
        """Spans that are retained."""
        return sum(len(part.spans) for part in self._parts)

    def add(self, spans: Sequence[ReadableSpan], size: int, seconds: float) -> int:
        """Retain spans.

        Args:
            spans: a part of a batch.
            size: bytes that they take, encoded.
            seconds: after which to send them again.

        Returns:
            How many spans were lost for want of room.
        """
        self._parts.append(_Part(spans, size, time.monotonic() + seconds))
        lost = 0
        while sum(part.size for part in self._parts) > MAX_RETAINED_BYTES:
            lost += len(self._parts.popleft().spans)
        if lost and not self._warned:
            self._warned = True
            _logger.warning("The receiver takes no spans and there is no room for more: the oldest are lost")
        return lost

    def send(self, send: Callable[[Sequence[ReadableSpan]], bool], *, early: bool = False) -> bool:
        """Send what is due, the oldest first, until one fails.

        Args:
            send: sends a part; returns whether it is done with. It may call `add`.
            early: also what is not due yet.

        Returns:
            Whether nothing failed.
        """
        for _ in range(len(self._parts)):
            if not early and self._parts[0].due > time.monotonic():
                return True
            if not send(self._parts.popleft().spans):
                return False
        return True
