"""Span exporter that splits batches by encoded size, to stay below a receiver's message limit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from otel_dspy.exporter.resend_buffer import RetainedParts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_logger = logging.getLogger(__name__)

MAX_BYTES: Final = 3 * 1024 * 1024
"""Bytes of a request before compression. gRPC receivers, the Collector's included, reject 4 MiB by default."""


class SplittingSpanExporter(SpanExporter):
    """Exports through another exporter in parts of at most `max_bytes`; halves a part that is rejected for its size."""

    def __init__(
        self,
        exporter: SpanExporter,
        refused_for_size: Callable[[], bool] = lambda: False,
        max_bytes: int = MAX_BYTES,
        *,
        retry_after: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Create the exporter.

        Args:
            exporter: the OTLP exporter that sends the parts.
            refused_for_size: called after a failure; returns whether the receiver rejected the request as too large.
            max_bytes: maximum size of a request as uncompressed protobuf. A larger span is sent in a separate request.
            retry_after: called after a failure; returns the delay in seconds before a retry, None if the failure is
                final. The part is retained in memory and resent with a later batch.
        """
        self._exporter = exporter
        self._refused_for_size = refused_for_size
        self._max_bytes = max_bytes
        self.lost = 0
        """Number of dropped spans: too large even alone, not encodable, or displaced from the retry buffer."""
        self._retry_after = retry_after
        self._retained = RetainedParts()
        self._warned: set[str] = set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch in parts. All parts are attempted; the result is FAILURE if any of them failed."""
        lost = self.lost
        self._send_retained()
        pause = self._retained.seconds
        if pause is not None:
            # The receiver has requested a delay that is not over.
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
        """Return an encodable span and its size; None if there is none, because it would fail the whole request."""
        try:
            return span, _size(span)
        except Exception as error:  # noqa: BLE001 - a program can put anything into a span
            try:
                readable = _in_unicode(span)
                size = _size(readable)
            except Exception:  # noqa: BLE001 - the same
                self.lost += 1
                self._warn_once(
                    "Dropping a span that cannot be encoded: %a (%s: %a)", span.name, type(error).__name__, error
                )
                return None
            self._warn_once("Replacing invalid Unicode in a span with question marks: %a", span.name)
            return readable, size

    def _warn_once(self, message: str, *details: object) -> None:
        if message not in self._warned:
            self._warned.add(message)
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
            _logger.warning(
                "Dropping a span that the receiver rejected as too large: %s. Raise the receiver's limit to keep such "
                "spans.",
                spans[0].name,
            )
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
        """Resend the retained spans once and shut down the other exporter."""
        self._send_retained(early=True)
        if self._retained:
            _logger.warning("Dropping %d spans at shutdown: the receiver did not accept them", len(self._retained))
            self.lost += len(self._retained)
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Resend the retained spans that are due, and flush the other exporter."""
        return self._send_retained() and not self._retained and self._exporter.force_flush(timeout_millis)


def _size(span: ReadableSpan) -> int:
    # Includes resource and scope, which the spans of a request share: an upper bound of what the span adds.
    return encode_spans([span]).ByteSize()


def _in_unicode(span: ReadableSpan) -> ReadableSpan:
    """Copy the span with `?` in place of each lone surrogate, except in attributes, which the encoder handles."""
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
