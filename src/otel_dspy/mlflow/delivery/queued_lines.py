"""Lines of queued spans: serialized in groups that are written together, and read back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.delivery import spool_line
from otel_dspy.mlflow.delivery.queued_span import QueuedSpan
from otel_dspy.mlflow.delivery.spool_segments import SEGMENT_BYTES
from otel_dspy.mlflow.records.route import Destination, Route
from otel_dspy.mlflow.tracking_uri import storable_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

_logger = logging.getLogger(__name__)

WRITE_AT_ONCE: Final = SEGMENT_BYTES // 8
"""Bytes of serialized lines after which they are written, before more are serialized."""


class QueuedLines:
    """Lines of one queue, which has the passwords of its tracking URIs: they are not in the lines."""

    def __init__(self) -> None:
        self._destinations: dict[Destination, Destination] = {}
        self._last: Destination | None = None
        """The destination of the last line: most spans of a queue have the same."""

    def groups(self, records: list[QueuedSpan]) -> Iterator[tuple[list[QueuedSpan], list[tuple[int, bytes]]]]:
        """Yield the records, and their lines with their numbers, in groups that are written together."""
        some: list[QueuedSpan] = []
        lines: list[tuple[int, bytes]] = []
        size = 0
        for record in records:
            where = record.route.destination
            if where is not self._last:
                self._destinations.setdefault(Destination(storable_uri(where.tracking_uri), where.experiment), where)
                self._last = where
            # UTF-8 cannot encode a lone surrogate.
            line = spool_line.span_line(record.decoded(), record.route).encode(errors="replace")
            some.append(record)
            lines.append((record.number, line))
            size += len(line) + 1
            if size >= WRITE_AT_ONCE:
                yield some, lines
                some, lines, size = [], [], 0
        if some:
            yield some, lines

    def queued_span(self, number: int, line: bytes) -> QueuedSpan | None:
        """Return the span of a line; None if it has none, or if it is damaged, which is logged.

        Args:
            number: the span's number in the queue.
            line: what `groups` has yielded for it.
        """
        try:
            found = spool_line.parse_line(line)
        except spool_line.DamagedLineError as error:
            _logger.warning("A span could not be read from the spool and is skipped: %s", error)
            return None
        if found is None:
            return None
        span, route = found
        # Only this process has the password of the tracking URI.
        known = self._destinations.get(route.destination, route.destination)
        return QueuedSpan(number, span, Route(known, route.context, route.options), len(line), 0.0, written=True)
