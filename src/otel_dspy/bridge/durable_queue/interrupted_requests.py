"""Requests whose commit was interrupted by an unexpected error, attempted one at a time.

Requests are committed in groups, and the error does not show which of them caused it.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE: Final = 2.0
"""Seconds between a failed attempt and the next one."""
MAX_ATTEMPTS: Final = 3
"""Attempts of a request alone, after which it is rejected."""


class InterruptedRequests:
    """Requests to attempt alone, by id. Not thread-safe.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: deque[int] = deque()
        self._attempts: dict[int, int] = {}
        self._due = 0.0
        self.current: int | None = None
        """The request that is attempted; while there is one, no other may be."""

    def failed(self, request_id: int) -> bool:
        """Add a request; return False if it has failed alone too often.

        Args:
            request_id: the request.
        """
        if self.current == request_id:
            self.current = None
            self._attempts[request_id] = self._attempts.get(request_id, 0) + 1
            if self._attempts[request_id] >= MAX_ATTEMPTS:
                del self._attempts[request_id]
                return False
            self._due = self._clock() + PAUSE
        self._waiting.append(request_id)
        return True

    def ended(self, request_id: int) -> None:
        """Forget a request that was stored, rejected, or failed for another reason."""
        if self.current == request_id:
            self.current = None
            self._attempts.pop(request_id, None)

    def wants(self) -> bool:
        """Return whether a request is due, for which all others have to end first."""
        return self.current is None and bool(self._waiting) and self._due <= self._clock()

    def next(self) -> int:
        """Return the request to attempt now; only if `wants`."""
        self.current = self._waiting.popleft()
        return self.current

    def seconds(self) -> float | None:
        """Return the seconds until a request is due; None if there is none."""
        return max(0.0, self._due - self._clock()) if self._waiting and self.current is None else None
