"""Values that the producer and the consumers of spans share, in addition to the names in `semconv`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_dspy import semconv

SCOPE_NAME: Final = "otel_dspy"
"""Name of the instrumentation scope of every span, event and metric."""
PAYLOAD_ENCODING: Final[semconv.DspyPayloadEncoding] = "gzip+base64"
"""Encoding of the pieces of a large text: compressed, then encoded as a whole, then split."""
