"""Flushes that wait until the spans queued before them have been delivered."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_dspy.mlflow.delivery.spooled_queues import SpooledQueues


@dataclass(slots=True, eq=False)
class Flush:
    """A pending flush: done once all records before these numbers have been delivered."""

    control: int
    traces: int
    end_runs: bool
    """At process end: end the open runs once the control spans have been processed, before example traces."""
    done: threading.Event = field(default_factory=threading.Event)
    runs_ended: bool = False


class PendingFlushes:
    """The pending flushes of a worker.

    Attributes:
        hurry: set while a flush is pending: no throttling.
    """

    def __init__(self, queues: SpooledQueues) -> None:
        self._queues = queues
        self._flushes: list[Flush] = []
        self.hurry = threading.Event()

    def __bool__(self) -> bool:
        """Whether a flush is pending."""
        return bool(self._flushes)

    def add(self, *, end_runs: bool) -> threading.Event:
        """Add a flush of what is queued now; return the event that is set when it is done.

        Args:
            end_runs: the process ends: end its open runs.
        """
        flush = Flush(self._queues.control.next_number, self._queues.traces.next_number, end_runs)
        self._flushes.append(flush)
        self.hurry.set()
        return flush.done

    @property
    def runs_to_end(self) -> bool:
        """Whether a flush waits to end the open runs."""
        return any(flush.end_runs and not flush.runs_ended for flush in self._flushes)

    def run_ends_due(self) -> list[Flush]:
        """Return the flushes that wait to end the open runs and whose control spans have all been taken."""
        return [
            flush
            for flush in self._flushes
            if flush.end_runs and not flush.runs_ended and self._queues.control.next_waiting >= flush.control
        ]

    def reached(self) -> list[Flush]:
        """Return the flushes whose spans have all been taken."""
        return [
            flush
            for flush in self._flushes
            if self._queues.control.next_waiting >= flush.control and self._queues.traces.next_waiting >= flush.traces
        ]

    def finish(self, flush: Flush) -> None:
        """Remove a flush and set its event."""
        self._flushes.remove(flush)
        flush.done.set()

    def give_up(self) -> None:
        """Set the events of all: no further delivery."""
        for flush in self._flushes:
            flush.done.set()
