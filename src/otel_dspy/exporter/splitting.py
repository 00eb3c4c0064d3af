"""Wraps an exporter: a batch goes out in parts whose encoded size a receiver takes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

_logger = logging.getLogger(__name__)

MAX_BYTES: Final = 3 * 1024 * 1024
"""Bytes of a request before compression. gRPC receivers refuse 4 MiB by default, a Collector's included."""


class SplittingSpanExporter(SpanExporter):
    """Exports through another exporter, in parts of at most `max_bytes`; halves a part that is refused for its size."""

    def __init__(
        self, exporter: SpanExporter, refused_for_size: Callable[[], bool] = lambda: False, max_bytes: int = MAX_BYTES
    ) -> None:
        """Create it.

        Args:
            exporter: sends; an OTLP exporter.
            refused_for_size: asked after a failure: whether the receiver found the request too large.
            max_bytes: of a request, encoded in protobuf and not compressed. A larger span goes alone.
        """
        self._exporter = exporter
        self._refused_for_size = refused_for_size
        self._max_bytes = max_bytes
        self.lost = 0
        """Spans that were refused alone, as too large."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send all; a failure if any part of them failed, after all others have been tried."""
        results = [self._part(part) for part in self._parts(spans)]
        failed = any(result is not SpanExportResult.SUCCESS for result in results)
        return SpanExportResult.FAILURE if failed else SpanExportResult.SUCCESS

    def _parts(self, spans: Sequence[ReadableSpan]) -> Iterator[list[ReadableSpan]]:
        part: list[ReadableSpan] = []
        size = 0
        for span in spans:
            # With its resource and scope, which spans of a request share: never less than it adds.
            own = encode_spans([span]).ByteSize()
            if part and size + own > self._max_bytes:
                yield part
                part, size = [], 0
            part.append(span)
            size += own
        if part:
            yield part

    def _part(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS or not self._refused_for_size():
            return result
        if len(spans) == 1:
            self.lost += 1
            _logger.warning("A span is too large for the receiver and is lost: %s", spans[0].name)
            return result
        middle = len(spans) // 2
        halves = [self._part(spans[:middle]), self._part(spans[middle:])]
        failed = any(half is not SpanExportResult.SUCCESS for half in halves)
        return SpanExportResult.FAILURE if failed else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Shut the other exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the other exporter."""
        return self._exporter.force_flush(timeout_millis)
