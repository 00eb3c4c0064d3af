"""Decompression of request bodies, bounded in size."""

from __future__ import annotations

import zlib
from typing import Final

from otel_dspy.otlp_requests.protobuf_spans import TooLargeError

_GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS


class UnreadableError(ValueError):
    """The body is incomplete, or its encoding is unsupported or does not match its header."""


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """Decompress a request body.

    Args:
        body: the body as received.
        encoding: the `Content-Encoding`: empty, `identity`, `gzip` or `deflate`.
        limit: maximum size of the result in bytes.

    Raises:
        TooLargeError: the result exceeds `limit`.
        UnreadableError: the body cannot be decompressed.
    """
    match encoding.strip().lower():
        case "" | "identity":
            found = body
        case "gzip":
            found = _inflated(body, _GZIP, limit)
        case "deflate":
            found = _inflated(body, _ZLIB, limit)
        case _:
            raise UnreadableError("unsupported Content-Encoding: use gzip, deflate or identity")
    if len(found) > limit:
        raise TooLargeError(f"the uncompressed request exceeds {limit} bytes")
    return found


def _inflated(body: bytes, bits: int, limit: int) -> bytes:
    parts: list[bytes] = []
    left, rest = limit + 1, body
    try:
        # A gzip stream may have several members.
        while rest and left > 0:
            unzip = zlib.decompressobj(bits)
            part = unzip.decompress(rest, left)
            parts.append(part)
            left -= len(part)
            if not unzip.eof:
                if left > 0:
                    raise UnreadableError("the compressed body is truncated")
                break
            rest = unzip.unused_data
    except zlib.error as error:
        raise UnreadableError("the body does not match its Content-Encoding") from error
    return b"".join(parts)
