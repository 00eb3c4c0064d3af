"""Large JSON texts: one attribute where it fits, pieces in child spans where it does not."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Final

from opentelemetry import trace

from otel_dspy import semconv

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from otel_dspy.telemetry.emitter import Flush

PIECE_BYTES: Final = 256 * 1024
"""Largest JSON text that stands as one attribute, and largest piece, in bytes (the telemetry contract, version 1)."""
FLUSH_BYTES: Final = 2 * 1024 * 1024
"""What goes out between two flushes. An OTLP/gRPC receiver refuses a message over 4 MiB whole, by default."""
ENCODING: Final = "gzip+base64"


def put_payload(tracer: Tracer, flush: Flush, span: Span, name: str, text: str) -> None:
    """Set attribute `name` of `span` to the text, or to a reference to the pieces emitted as the span's children.

    The pieces end before the span does. After every 2 MiB the provider is flushed, since a batch processor counts
    spans and not bytes.
    """
    encoded = text.encode()
    if len(encoded) <= PIECE_BYTES:
        span.set_attribute(name, text)
        return
    digest = hashlib.sha256(encoded).hexdigest()
    data = base64.b64encode(gzip.compress(encoded, mtime=0)).decode("ascii")
    pieces = [data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)]
    context = trace.set_span_in_context(span)
    unflushed = 0
    for index, piece in enumerate(pieces):
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
        unflushed += len(piece)
        if unflushed + PIECE_BYTES > FLUSH_BYTES:
            flush()
            unflushed = 0
    span.set_attribute(name, json.dumps({"$payload": digest, "bytes": len(encoded)}))
