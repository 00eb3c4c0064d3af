"""FIFO span queue that spills to disk when its memory budget is exhausted.

    taken ▸ ready ▸ (on disk only) ▸ tail

Records enter at `tail` (or at `ready` while no record is on disk only), are returned from `ready`, and stay in `taken`
until MLflow has acknowledged them. The records on disk are always the oldest ones, written in order of arrival, so that
a file has no gap.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.delivery import spool_line
from otel_dspy.mlflow.delivery.queued_lines import QueuedLines
from otel_dspy.mlflow.delivery.queued_span import QueuedSpan, age

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.delivery.spool_segments import SpoolPosition, SpoolSegments
    from otel_dspy.mlflow.records.route import Route

_logger = logging.getLogger(__name__)

READ_AT_ONCE: Final = 500
"""Number of lines read from disk at a time once memory is exhausted."""


class SpanQueue:
    """A span queue. Thread-safe for one taking thread, one writing thread and any number of producers."""

    def __init__(self, segments: SpoolSegments, *, max_spans: int, max_characters: int) -> None:
        """Create a queue.

        Args:
            segments: the files that the queue spills to.
            max_spans: maximum number of spans in memory; further ones are kept on disk only.
            max_characters: the same bound, in characters of string attributes.
        """
        self._segments = segments
        self._max_spans = max_spans
        self._max_characters = max_characters
        self._lock = threading.Lock()
        self._io = threading.Lock()
        """Held while the segments are written, read or deleted; acquired before `_lock`."""
        self._taken: deque[QueuedSpan] = deque()
        self._owed: deque[QueuedSpan] = deque()
        """Delivered records that are retained and not yet on disk."""
        self._ready: deque[QueuedSpan] = deque()
        self._tail: deque[QueuedSpan] = deque()
        self._on_disk = 0
        """Number of records that are on disk only."""
        self._first_on_disk: SpoolPosition | None = None
        """Position of the first of them."""
        self._characters = 0
        self._number = 0
        self._lines = QueuedLines()
        self._spilling = False
        self.hold = False
        """Retain delivered records on disk: a later one needs them."""
        self.write_error: OSError | None = None
        """The error of the last write."""

    def put(self, span: ReadableSpan, route: Route, size: int) -> bool:
        """Append a span; return whether `persist` should be called now to keep memory within its bound.

        Args:
            span: the ended or started span.
            route: its destination and options.
            size: its approximate size in characters.
        """
        with self._lock:
            record = QueuedSpan(self._number, span, route, size, time.monotonic() - age(span))
            self._number += 1
            self._characters += size
            if not self._spilling and self._full:
                self._spilling = True
            (self._tail if self._spilling else self._ready).append(record)
            # Once in a while: writing a thousand lines costs about as much as writing one.
            return self._spilling and len(self._tail) % max(1, self._max_spans // 4) == 1

    @property
    def in_memory(self) -> int:
        """Number of spans in memory that were not taken. Takes no lock."""
        return len(self._ready) + len(self._tail)

    @property
    def _full(self) -> bool:
        return self.in_memory >= self._max_spans or self._characters >= self._max_characters

    @property
    def overfull(self) -> bool:
        """Whether memory holds twice its bound because the disk fails or is too slow."""
        return self.in_memory >= 2 * self._max_spans or self._characters >= 2 * self._max_characters

    def take(self) -> QueuedSpan | None:
        """Return the next span; None if there is none."""
        if not self._ready and self._spilling:
            self._refill()
        with self._lock:
            if not self._ready:
                return None
            record = self._ready.popleft()
            self._characters -= record.size
            self._taken.append(record)
            return record

    def _refill(self) -> None:
        with self._io:
            if self._on_disk and self._first_on_disk is not None:
                self._fetch(self._first_on_disk)
                if self._ready:
                    return
            with self._lock:
                self._ready, self._tail = self._tail, deque()
                self._spilling = False

    def _fetch(self, position: SpoolPosition) -> None:
        try:
            lines, self._first_on_disk = self._segments.read(
                position, min(READ_AT_ONCE, self._max_spans, self._on_disk), self._max_characters
            )
        except OSError as error:
            _logger.warning("%d spans could not be read from the spool and are skipped: %s", self._on_disk, error)
            self._on_disk = 0
            return
        with self._lock:
            first = (self._tail[0].number if self._tail else self._number) - self._on_disk
            self._on_disk = self._on_disk - len(lines) if lines else 0
            for number, line in enumerate(lines, first):
                if (fetched := self._lines.queued_span(number, line)) is not None:
                    self._characters += fetched.size
                    self._ready.append(fetched)

    def persist(self, latest: float, before: int) -> None:
        """Write the records that are due, or all of them if memory is full. An error sets `write_error`.

        Args:
            latest: `time.monotonic()`; records of spans that ended later are not due.
            before: number of the first record to leave for the next call.
        """
        with self._io:
            with self._lock:
                chosen = [record for record in (*self._owed, *self._taken, *self._ready) if record.number < before]
                tail: list[QueuedSpan] = []
                if self._spilling:
                    tail = [record for record in self._tail if record.number < before]
                else:
                    chosen = [record for record in chosen if record.ended <= latest]
            try:
                for records, lines in self._lines.groups([record for record in chosen if not record.written]):
                    self._append(records, lines)
                for records, lines in self._lines.groups(tail):
                    position = self._segments.end if self._on_disk == 0 else self._first_on_disk
                    self._append(records, lines)
                    self._hand_over(records, position)
            except OSError as error:
                self.write_error = error
            else:
                self.write_error = None

    def _hand_over(self, tail: list[QueuedSpan], position: SpoolPosition | None) -> None:
        with self._lock:
            for record in tail:
                self._tail.popleft()
                self._characters -= record.size
            self._on_disk += len(tail)
            self._first_on_disk = position

    def _append(self, records: list[QueuedSpan], lines: list[tuple[int, bytes]]) -> None:
        self._segments.append(lines)
        for record in records:
            record.written = True
        with self._lock:
            while self._owed and self._owed[0].written:
                self._owed.popleft()

    def confirm(self) -> None:
        """Acknowledge all taken records: MLflow has stored them."""
        with self._lock:
            if not self.hold:
                self._owed.clear()
            elif not self.write_error:  # else memory would grow while the disk fails
                self._owed.extend(record for record in self._taken if not record.written)
            self._taken.clear()
            done = self._first_waiting - 1
        if not self.hold:
            with self._io:
                self._segments.delete_until(done)

    def keep(self) -> None:
        """Retain the current segments for replay even after delivery; new records go to new segments."""
        with self._io:
            if self._segments.wholly_kept:
                return
            if self._on_disk == 0 and not self.unwritten:  # records that are on disk only are read and counted
                with suppress(OSError):
                    self._end()
            self._segments.keep()

    def _end(self) -> None:
        self._segments.append([(self._number, spool_line.end_line().encode())])

    @property
    def _first_waiting(self) -> int:
        if self._ready:
            return self._ready[0].number
        return (self._tail[0].number if self._tail else self._number) - self._on_disk

    @property
    def waiting(self) -> int:
        """Number of spans that MLflow has not acknowledged."""
        with self._lock:
            return len(self._taken) + len(self._ready) + self._on_disk + len(self._tail)

    @property
    def untaken(self) -> int:
        """Number of spans that were not taken."""
        with self._lock:
            return len(self._ready) + self._on_disk + len(self._tail)

    @property
    def empty(self) -> bool:
        """Whether all records were taken. Takes no lock."""
        return not (self._ready or self._on_disk or self._tail)

    @property
    def unwritten(self) -> int:
        """Number of spans that are neither acknowledged by MLflow nor on disk."""
        with self._lock:
            return sum(not record.written for record in (*self._taken, *self._ready, *self._tail))

    @property
    def next_number(self) -> int:
        """Number of the next record to be put."""
        return self._number

    @property
    def next_waiting(self) -> int:
        """Number of the oldest record that was not taken."""
        with self._lock:
            return self._first_waiting

    @property
    def size(self) -> int:
        """Bytes on disk."""
        with self._io:
            return self._segments.size

    @property
    def paths(self) -> list[Path]:
        """The queue's files."""
        with self._io:
            return self._segments.paths

    @property
    def kept_paths(self) -> list[Path]:
        """The files retained by `keep`."""
        with self._io:
            return self._segments.kept_paths

    def close(self, *, keep: bool) -> None:
        """Close the files, with an end marker if complete; without `keep`, delete those that `keep()` does not retain.

        Raises:
            OSError: the end marker cannot be written.
        """
        with self._io:
            try:
                if keep and self._segments.size and not self.unwritten:
                    self._end()
            finally:
                if not keep:
                    self._segments.delete_until(self._number)
                self._segments.close()

    def abandon(self) -> None:
        """Close the files without taking a lock: in a forked child the files and locks are its parent's."""
        self._segments.close()
