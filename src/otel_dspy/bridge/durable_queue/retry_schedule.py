"""Schedule of requests that MLflow failed to store.

Requests that fail at the same destinations form a group. While these fail, only the oldest request of the group is
attempted; when it succeeds, all of the group are.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.records.route import Destination

FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 120.0
"""First and longest pause in seconds between attempts of a group, doubled each time."""

Failing = frozenset["Destination"]
"""Destinations at which a request failed."""


@dataclass(slots=True)
class _Group:
    due: float
    pause: float
    waiting: deque[int] = field(default_factory=deque[int])
    attempted: int | None = None


class RetrySchedule:
    """Due times of failed requests, by id. Not thread-safe.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._groups: dict[Failing, _Group] = {}
        self._released: deque[int] = deque()
        self._first: dict[int, float] = {}

    def failed(self, request_id: int, failing: Failing) -> float:
        """Add a request that failed; return the seconds since it failed for the first time.

        Args:
            request_id: the request.
            failing: the destinations at which it failed.
        """
        now = self._clock()
        since = self._first.setdefault(request_id, now)
        for group in self._groups.values():
            if group.attempted == request_id:
                group.attempted = None
                group.pause = min(2 * group.pause, LONGEST_PAUSE)
                group.due = now + group.pause
        group = self._groups.get(failing)
        if group is None:
            group = self._groups[failing] = _Group(now + FIRST_PAUSE, FIRST_PAUSE)
        group.waiting.append(request_id)
        return now - since

    def ended(self, request_id: int) -> None:
        """Forget a request that was stored or rejected; if it was the attempt of a group, release the group."""
        self._first.pop(request_id, None)
        for failing, group in list(self._groups.items()):
            if group.attempted == request_id:
                del self._groups[failing]
                self._released.extend(group.waiting)

    def next(self) -> int | None:
        """Return a request to attempt now; None if none is due."""
        if self._released:
            return self._released.popleft()
        now = self._clock()
        for failing, group in list(self._groups.items()):
            if group.attempted is None and not group.waiting:
                del self._groups[failing]
            elif group.attempted is None and group.due <= now:
                group.attempted = group.waiting.popleft()
                return group.attempted
        return None

    def seconds(self) -> float | None:
        """Return the seconds until a request is due; None if none will be before another event."""
        if self._released:
            return 0.0
        due = [group.due for group in self._groups.values() if group.attempted is None and group.waiting]
        return max(0.0, min(due) - self._clock()) if due else None
