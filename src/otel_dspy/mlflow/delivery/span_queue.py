"""A queue of spans that is in memory as far as it fits and goes on in the spool, none delivered before its turn.

    taken ▸ ready ▸ (on disk alone) ▸ tail

Records enter at `tail` (or at `ready` while nothing stands on disk alone), are given out from `ready`, and stay in
`taken` until MLflow is known to have them. What is on disk is always the oldest part of the whole: records are written
in the order in which they came, so that a file holds no gap.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.delivery import spool, spool_line
from otel_dspy.mlflow.records.decode import span_record
from otel_dspy.mlflow.records.route import Destination, Route
from otel_dspy.mlflow.records.span_records import SpanRecord
from otel_dspy.tracking_uri import lasting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.delivery.spool import Journal, SpoolPosition

_logger = logging.getLogger(__name__)

LATEST: Final = 0.6
"""Seconds after a call's end in which its spans are told, at most (`otel_dspy.runtime.deferred_queue`)."""
READ_AT_ONCE: Final = 500
"""Lines that are fetched from disk when memory has run out."""
WRITE_AT_ONCE: Final = spool.SEGMENT_BYTES // 8
"""Bytes after which what is to be written is written, before more of it is made."""


@dataclass(slots=True)
class Record:
    """A span on its way."""

    number: int
    span: ReadableSpan | SpanRecord
    route: Route
    size: int
    """Characters of its string attributes."""
    came: float
    """`time.monotonic()` when the span ended."""
    written: bool = False

    def decoded(self) -> SpanRecord:
        """The neutral form of the span, made once.

        Raises:
            ValueError: the span has not ended.
        """
        if not isinstance(self.span, SpanRecord):
            self.span = span_record(self.span)
        return self.span


class SpanQueue:
    """One queue. Thread-safe: one thread takes, one writes, any may put."""

    def __init__(self, journal: Journal, *, max_spans: int, max_characters: int) -> None:
        """Create it.

        Args:
            journal: where it goes on.
            max_spans: spans in memory, beyond which new ones are on disk alone.
            max_characters: the same, in characters of their string attributes.
        """
        self._journal = journal
        self._max_spans = max_spans
        self._max_characters = max_characters
        self._lock = threading.Lock()
        self._io = threading.Lock()
        """Held while the journal is written, read or cut; taken before `_lock`."""
        self._taken: deque[Record] = deque()
        self._owed: deque[Record] = deque()
        """Delivered, and to be kept on disk all the same, where they are not yet."""
        self._ready: deque[Record] = deque()
        self._tail: deque[Record] = deque()
        self._on_disk = 0
        """Records that stand on disk alone."""
        self._place: SpoolPosition | None = None
        """Where the first of them begins."""
        self._characters = 0
        self._number = 0
        self._destinations: dict[Destination, Destination] = {}
        self._spilling = False
        self.hold = False
        """Keep on disk even what is delivered: something still to come needs it."""
        self.ill = False
        """The disk did not take what was written last."""

    def put(self, span: ReadableSpan, route: Route, size: int) -> bool:
        """Append a span; returns whether somebody should call `persist` now, lest memory grow beyond its bound."""
        with self._lock:
            record = Record(self._number, span, route, size, time.monotonic() - _age(span))
            self._number += 1
            self._characters += size
            if not self._spilling and self._full:
                self._spilling = True
            (self._tail if self._spilling else self._ready).append(record)
            # Now and then, not each time: a file takes a thousand lines as well as one.
            return self._spilling and len(self._tail) % max(1, self._max_spans // 4) == 1

    @property
    def _full(self) -> bool:
        waiting = len(self._ready) + len(self._tail)
        return waiting >= self._max_spans or self._characters >= self._max_characters

    @property
    def overfull(self) -> bool:
        """Whether twice as much waits in memory as should: the disk does not take it, or not fast enough."""
        waiting = len(self._ready) + len(self._tail)
        return waiting >= 2 * self._max_spans or self._characters >= 2 * self._max_characters

    def take(self) -> Record | None:
        """The next span; None if there is none."""
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
            if self._on_disk and self._place is not None:
                self._fetch(self._place)
                if self._ready:
                    return
            with self._lock:
                self._ready, self._tail = self._tail, deque()
                self._spilling = False

    def _fetch(self, place: SpoolPosition) -> None:
        try:
            lines, self._place = self._journal.read(
                place, min(READ_AT_ONCE, self._max_spans, self._on_disk), self._max_characters
            )
        except OSError as error:
            _logger.warning("%d spans cannot be read back from the spool: %s", self._on_disk, error)
            self._on_disk = 0
            return
        with self._lock:
            first = (self._tail[0].number if self._tail else self._number) - self._on_disk
            self._on_disk = self._on_disk - len(lines) if lines else 0
            for number, line in enumerate(lines, first):
                if (found := _parsed(line)) is not None:
                    span, route = found
                    # Only this process knows the password that the address had.
                    known = self._destinations.get(route.destination, route.destination)
                    fetched = Record(
                        number, span, Route(known, route.context, route.options), len(line), 0.0, written=True
                    )
                    self._characters += fetched.size
                    self._ready.append(fetched)

    def persist(self, latest: float, before: int) -> None:
        """Write what has waited long enough, and all of it where memory is full. Fails silently into `ill`.

        Args:
            latest: `time.monotonic()`; what ended after it has not waited long enough.
            before: number of the first record that is left for the next time in any case.
        """
        with self._io:
            with self._lock:
                chosen = [record for record in (*self._owed, *self._taken, *self._ready) if record.number < before]
                tail: list[Record] = []
                if self._spilling:
                    tail = [record for record in self._tail if record.number < before]
                else:
                    chosen = [record for record in chosen if record.came <= latest]
            try:
                for records, lines in self._lines([record for record in chosen if not record.written]):
                    self._append(records, lines)
                for records, lines in self._lines(tail):
                    place = self._journal.end if self._on_disk == 0 else self._place
                    self._append(records, lines)
                    self._hand_over(records, place)
            except OSError as error:
                if not self.ill:
                    _logger.warning("The spool cannot be written: %s", error)
                self.ill = True
            else:
                self.ill = False

    def _hand_over(self, tail: list[Record], place: SpoolPosition | None) -> None:
        with self._lock:
            for record in tail:
                self._tail.popleft()
                self._characters -= record.size
            self._on_disk += len(tail)
            self._place = place

    def _lines(self, records: list[Record]) -> Iterator[tuple[list[Record], list[tuple[int, bytes]]]]:
        """The records' lines, as many at a time as are written together."""
        some: list[Record] = []
        lines: list[tuple[int, bytes]] = []
        size = 0
        for record in records:
            where = record.route.destination
            self._destinations.setdefault(Destination(lasting(where.tracking_uri), where.experiment), where)
            # A lone surrogate is no text that UTF-8 can hold.
            line = spool_line.span_line(record.decoded(), record.route).encode(errors="replace")
            some.append(record)
            lines.append((record.number, line))
            size += len(line) + 1
            if size >= WRITE_AT_ONCE:
                yield some, lines
                some, lines, size = [], [], 0
        if some:
            yield some, lines

    def _append(self, records: list[Record], lines: list[tuple[int, bytes]]) -> None:
        self._journal.append(lines)
        for record in records:
            record.written = True
        with self._lock:
            while self._owed and self._owed[0].written:
                self._owed.popleft()

    def confirm(self) -> None:
        """MLflow has all that was taken."""
        with self._lock:
            if not self.hold:
                self._owed.clear()
            elif not self.ill:  # or what no disk takes would fill the memory
                self._owed.extend(record for record in self._taken if not record.written)
            self._taken.clear()
            done = self._first_waiting - 1
        if not self.hold:
            with self._io:
                self._journal.delete_until(done)

    def keep(self) -> None:
        """Let stand what is on disk, even once it is delivered: a replay will need it. What comes now is as before."""
        with self._io:
            if self._journal.wholly_kept:
                return
            if self._on_disk == 0 and not self.unwritten:  # what stands there alone is read, and counted
                with suppress(OSError):
                    self._end()
            self._journal.keep()

    def _end(self) -> None:
        self._journal.append([(self._number, spool_line.end_line().encode())])

    @property
    def _first_waiting(self) -> int:
        if self._ready:
            return self._ready[0].number
        return (self._tail[0].number if self._tail else self._number) - self._on_disk

    @property
    def waiting(self) -> int:
        """Spans that MLflow is not known to have."""
        with self._lock:
            return len(self._taken) + len(self._ready) + self._on_disk + len(self._tail)

    @property
    def empty(self) -> bool:
        """Whether everything that came was taken. Takes no lock."""
        return not (self._ready or self._on_disk or self._tail)

    @property
    def unwritten(self) -> int:
        """Spans that neither MLflow is known to have nor the disk."""
        with self._lock:
            return sum(not record.written for record in (*self._taken, *self._ready, *self._tail))

    @property
    def next_number(self) -> int:
        """Number that the next record gets."""
        return self._number

    @property
    def next_waiting(self) -> int:
        """Number of the oldest record that was not taken yet."""
        with self._lock:
            return self._first_waiting

    @property
    def size(self) -> int:
        """Bytes on disk."""
        with self._io:
            return self._journal.size

    @property
    def paths(self) -> list[Path]:
        """Its files."""
        with self._io:
            return self._journal.paths

    @property
    def kept_paths(self) -> list[Path]:
        """Those that `keep` lets stand."""
        with self._io:
            return self._journal.kept_paths

    def close(self, *, keep: bool) -> None:
        """Let go of the files, with an end that says so if they are whole; without `keep` only those of `keep()` stay.

        Raises:
            OSError: the end cannot be written.
        """
        with self._io:
            try:
                if keep and self._journal.size and not self.unwritten:
                    self._end()
            finally:
                if not keep:
                    self._journal.delete_until(self._number)
                self._journal.close()

    def abandon(self) -> None:
        """Let go of the files, which are another process': for a forked child, where no lock can be trusted."""
        self._journal.close()


def _age(span: ReadableSpan) -> float:
    """Seconds since the span's end. More than `LATEST` it is never, unless the clock has been set."""
    ended = time.time_ns() if span.end_time is None else span.end_time
    return min(max(0.0, (time.time_ns() - ended) / 1e9), LATEST)


def _parsed(line: bytes) -> tuple[SpanRecord, Route] | None:
    try:
        return spool_line.parse_line(line)
    except spool_line.DamagedLineError as error:
        _logger.warning("A span cannot be read back from the spool: %s", error)
        return None
