"""Compressed bodies, unzipped no further than is allowed."""

from __future__ import annotations

import zlib
from typing import Final

_GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS


class TooLargeError(ValueError):
    """It is larger, unzipped, than is allowed."""


class UnreadableError(ValueError):
    """It is encoded in a way that is not supported, or not at all as it says; or it has not come whole."""


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before it was compressed.

    Args:
        body: as it came.
        encoding: the `Content-Encoding`: empty, `identity`, `gzip` or `deflate`.
        limit: bytes that it may have in the end.

    Raises:
        TooLargeError: it has more.
        UnreadableError: it cannot be read.
    """
    match encoding.strip().lower():
        case "" | "identity":
            found = body
        case "gzip":
            found = _inflated(body, _GZIP, limit)
        case "deflate":
            found = _inflated(body, _ZLIB, limit)
        case _:
            raise UnreadableError("the content encoding is none of gzip, deflate, identity")
    if len(found) > limit:
        raise TooLargeError(f"it has more than {limit} bytes")
    return found


def _inflated(body: bytes, bits: int, limit: int) -> bytes:
    parts: list[bytes] = []
    left, rest = limit + 1, body
    try:
        # A gzip file may have several members.
        while rest and left > 0:
            unzip = zlib.decompressobj(bits)
            part = unzip.decompress(rest, left)
            parts.append(part)
            left -= len(part)
            if not unzip.eof:
                if left > 0:
                    raise UnreadableError("the body ends too early")
                break
            rest = unzip.unused_data
    except zlib.error as error:
        raise UnreadableError("the body is not compressed as it says") from error
    return b"".join(parts)
