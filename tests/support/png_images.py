"""Images for tests: valid PNG files of one color."""

from __future__ import annotations

import base64
import struct
import zlib


def png(shade: int, size: int = 8) -> bytes:
    """A gray square of that shade, 0 to 255."""
    rows = b"".join(b"\0" + bytes([shade]) * size for _ in range(size))
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def data_uri(image: bytes, kind: str = "png") -> str:
    """The image as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
