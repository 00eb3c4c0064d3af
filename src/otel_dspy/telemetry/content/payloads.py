"""Payload attributes: JSON texts of any size, split into child spans if they are too large for one attribute."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import threading
import time
from typing import TYPE_CHECKING, Final

from opentelemetry import trace

from otel_dspy import semconv
from otel_dspy.span_format import PAYLOAD_ENCODING

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span, Tracer


PIECE_BYTES: Final = 256 * 1024
"""Maximum size in bytes of a JSON text in one attribute, and of a piece (telemetry contract, version 1)."""
FLUSH_BYTES: Final = 2 * 1024 * 1024
"""Payload bytes between two flushes. By default an OTLP/gRPC receiver rejects a message over 4 MiB as a whole."""
FLUSH_SECONDS: Final = 1.0
"""Timeout of a flush, which blocks the application."""
FLUSH_PAUSE_SECONDS: Final = 60.0
"""Pause of flushing after a timeout, in seconds: the destination is slow, and blocking would not help."""


class PayloadFlusher:
    """Counts payload bytes and flushes the provider every 2 MiB.

    A batch processor limits the number of spans, not bytes: without a flush it would export many large spans in one
    message.
    """

    def __init__(self, flush: Callable[[float], bool]) -> None:
        """Create a flusher. `flush` is called with a timeout in seconds and returns False on timeout."""
        self._flush = flush
        self._lock = threading.Lock()
        self._bytes = 0
        self._next = 0.0

    def add(self, size: int) -> None:
        """Count `size` bytes; flush before they would exceed the limit together with the bytes since the last flush."""
        with self._lock:
            self._bytes += size
            due = self._bytes > FLUSH_BYTES and time.monotonic() >= self._next
            if self._bytes > FLUSH_BYTES:
                self._bytes = size
        if due and not self._flush(FLUSH_SECONDS):
            self._next = time.monotonic() + FLUSH_PAUSE_SECONDS


def put_payload(tracer: Tracer, flusher: PayloadFlusher, span: Span, name: str, text: str) -> None:
    """Set an attribute to a JSON text, or to a reference to pieces that are emitted as child spans.

    The pieces end before the span does.

    Args:
        tracer: starts the spans of the pieces.
        flusher: counts the bytes of payloads.
        span: the span that receives the attribute.
        name: the attribute's name.
        text: the JSON text.
    """
    encoded = text.encode()
    if len(encoded) <= PIECE_BYTES:
        flusher.add(len(encoded))
        span.set_attribute(name, text)
        return
    digest = hashlib.sha256(encoded).hexdigest()
    data = base64.b64encode(gzip.compress(encoded, mtime=0)).decode("ascii")
    pieces = [data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)]
    context = trace.set_span_in_context(span)
    for index, piece in enumerate(pieces):
        flusher.add(len(piece))
        tracer.start_span(
            semconv.SPAN_DSPY_PAYLOAD,
            context=context,
            attributes={
                semconv.DSPY_OPERATION_NAME: semconv.SPAN_DSPY_PAYLOAD,
                semconv.DSPY_PAYLOAD_ID: digest,
                semconv.DSPY_PAYLOAD_ATTRIBUTE: name,
                semconv.DSPY_PAYLOAD_INDEX: index,
                semconv.DSPY_PAYLOAD_COUNT: len(pieces),
                semconv.DSPY_PAYLOAD_ENCODING: PAYLOAD_ENCODING,
                semconv.DSPY_PAYLOAD_DATA: piece,
            },
        ).end()
    span.set_attribute(name, json.dumps({"$payload": digest, "bytes": len(encoded)}))
