"""Large JSON texts: one attribute where it fits, pieces in child spans where it does not."""

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

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span, Tracer


PIECE_BYTES: Final = 256 * 1024
"""Largest JSON text that stands as one attribute, and largest piece, in bytes (the telemetry contract, version 1)."""
FLUSH_BYTES: Final = 2 * 1024 * 1024
"""What goes out between two flushes. An OTLP/gRPC receiver refuses a message over 4 MiB whole, by default."""
ENCODING: Final = "gzip+base64"
FLUSH_SECONDS: Final = 1.0
"""How long a flush may hold the program up, at most."""
FLUSH_PAUSE_SECONDS: Final = 60.0
"""How long nothing is flushed after a flush that took longer: the destination is slow, and waiting would not help."""


class Outflow:
    """Counts the bytes of all payloads and flushes the provider after every 2 MiB.

    A batch processor counts spans and not bytes: without a flush many large spans would leave in one message.
    """

    def __init__(self, flush: Callable[[float], bool]) -> None:
        """Create it. `flush` takes a time limit in seconds and tells whether it was enough."""
        self._flush = flush
        self._lock = threading.Lock()
        self._bytes = 0
        self._next = 0.0

    def add(self, size: int) -> None:
        """Count `size` bytes; flush first where they would exceed the limit together with what has not left yet."""
        with self._lock:
            self._bytes += size
            due = self._bytes > FLUSH_BYTES and time.monotonic() >= self._next
            if self._bytes > FLUSH_BYTES:
                self._bytes = size
        if due and not self._flush(FLUSH_SECONDS):
            self._next = time.monotonic() + FLUSH_PAUSE_SECONDS


def put_payload(tracer: Tracer, outflow: Outflow, span: Span, name: str, text: str) -> None:
    """Set attribute `name` of `span` to the text, or to a reference to the pieces emitted as the span's children.

    The pieces end before the span does. `outflow` is told of every byte.
    """
    encoded = text.encode()
    if len(encoded) <= PIECE_BYTES:
        outflow.add(len(encoded))
        span.set_attribute(name, text)
        return
    digest = hashlib.sha256(encoded).hexdigest()
    data = base64.b64encode(gzip.compress(encoded, mtime=0)).decode("ascii")
    pieces = [data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)]
    context = trace.set_span_in_context(span)
    for index, piece in enumerate(pieces):
        outflow.add(len(piece))
        tracer.start_span(
            semconv.SPAN_DSPY_PAYLOAD,
            context=context,
            attributes={
                semconv.DSPY_OPERATION_NAME: semconv.SPAN_DSPY_PAYLOAD,
                semconv.DSPY_PAYLOAD_ID: digest,
                semconv.DSPY_PAYLOAD_ATTRIBUTE: name,
                semconv.DSPY_PAYLOAD_INDEX: index,
                semconv.DSPY_PAYLOAD_COUNT: len(pieces),
                semconv.DSPY_PAYLOAD_ENCODING: ENCODING,
                semconv.DSPY_PAYLOAD_DATA: piece,
            },
        ).end()
    span.set_attribute(name, json.dumps({"$payload": digest, "bytes": len(encoded)}))
