"""Wraps an exporter: a batch goes out in parts whose encoded size a receiver takes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from otel_dspy.exporter.retained import RetainedParts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_logger = logging.getLogger(__name__)

MAX_BYTES: Final = 3 * 1024 * 1024
"""Bytes of a request before compression. gRPC receivers refuse 4 MiB by default, a Collector's included."""


class SplittingSpanExporter(SpanExporter):
    """Exports through another exporter, in parts of at most `max_bytes`; halves a part that is refused for its size."""

    def __init__(
        self,
        exporter: SpanExporter,
        refused_for_size: Callable[[], bool] = lambda: False,
        max_bytes: int = MAX_BYTES,
        *,
        retry_after: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Create it.

        Args:
            exporter: sends; an OTLP exporter.
            refused_for_size: asked after a failure: whether the receiver found the request too large.
            max_bytes: of a request, encoded in protobuf and not compressed. A larger span goes alone.
            retry_after: called after a failure: seconds after which the receiver may take the request, None if the
                failure is final. Such a part is kept in memory and sent again with a later batch.
        """
        self._exporter = exporter
        self._refused_for_size = refused_for_size
        self._max_bytes = max_bytes
        self.lost = 0
        """Spans that were refused alone, as too large, or cannot be encoded."""
        self._retry_after = retry_after
        self._retained = RetainedParts()
        self._told: set[str] = set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send all; a failure if any part of them failed, after all others have been tried."""
        lost = self.lost
        self._send_retained()
        pause = self._retained.seconds
        if pause is not None:
            # The receiver has asked not to be sent anything yet.
            for part in self._parts(spans):
                self._retain(part, pause)
            return SpanExportResult.FAILURE
        results = [self._part(part) for part in self._parts(spans)]
        failed = self.lost > lost or any(result is not SpanExportResult.SUCCESS for result in results)
        return SpanExportResult.FAILURE if failed else SpanExportResult.SUCCESS

    def _parts(self, spans: Sequence[ReadableSpan]) -> Iterator[list[ReadableSpan]]:
        part: list[ReadableSpan] = []
        size = 0
        for given in spans:
            encoded = self._encoded(given)
            if encoded is None:
                continue
            span, own = encoded
            if part and size + own > self._max_bytes:
                yield part
                part, size = [], 0
            part.append(span)
            size += own
        if part:
            yield part

    def _encoded(self, span: ReadableSpan) -> tuple[ReadableSpan, int] | None:
        """The span as it can be sent and its bytes; None if it cannot: one such would lose all of its request."""
        try:
            return span, _size(span)
        except Exception as error:  # noqa: BLE001 - any, of what a program has put into it
            try:
                readable = _in_unicode(span)
                size = _size(readable)
            except Exception:  # noqa: BLE001 - the same
                self.lost += 1
                self._tell("A span cannot be encoded and is lost: %a (%s: %a)", span.name, type(error).__name__, error)
                return None
            self._tell("A span has text that is no Unicode; a question mark stands in its place: %a", span.name)
            return readable, size

    def _tell(self, message: str, *details: object) -> None:
        """Once: what is odd in one span is in its like."""
        if message not in self._told:
            self._told.add(message)
            _logger.warning(message, *details)

    def _part(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            return result
        seconds = self._retry_after()
        if seconds is not None:
            self._retain(spans, seconds)
            return result
        if not self._refused_for_size():
            return result
        if len(spans) == 1:
            self.lost += 1
            _logger.warning("A span is too large for the receiver and is lost: %s", spans[0].name)
            return result
        middle = len(spans) // 2
        halves = [self._part(spans[:middle]), self._part(spans[middle:])]
        failed = any(half is not SpanExportResult.SUCCESS for half in halves)
        return SpanExportResult.FAILURE if failed else SpanExportResult.SUCCESS

    def _retain(self, spans: Sequence[ReadableSpan], seconds: float) -> None:
        self.lost += self._retained.add(spans, sum(_size(span) for span in spans), seconds)

    def _send_retained(self, *, early: bool = False) -> bool:
        return self._retained.send(lambda spans: self._part(spans) is SpanExportResult.SUCCESS, early=early)

    def shutdown(self) -> None:
        """Send what is kept once more and shut the other exporter down."""
        self._send_retained(early=True)
        if self._retained:
            _logger.warning("The receiver has not taken %d spans: they are lost", len(self._retained))
            self.lost += len(self._retained)
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is kept and due, and flush the other exporter."""
        return self._send_retained() and not self._retained and self._exporter.force_flush(timeout_millis)


def _size(span: ReadableSpan) -> int:
    # With its resource and scope, which spans of a request share: never less than it adds.
    return encode_spans([span]).ByteSize()


def _in_unicode(span: ReadableSpan) -> ReadableSpan:
    """The same span, a question mark for each lone surrogate. The encoder looks after attributes itself."""
    description = span.status.description
    return ReadableSpan(
        _text(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=[Event(_text(event.name), event.attributes, event.timestamp) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, None if description is None else _text(description)),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _text(text: str) -> str:
    return text.encode(errors="replace").decode()
