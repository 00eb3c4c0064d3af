"""Replacement of large images, sounds and files in content by their size and digest."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, cast

if TYPE_CHECKING:
    from opentelemetry.util.types import AnyValue

_BARE: Final = 4096
"""Minimum length in characters at which base64 without a data URI is recognized."""
_ENCODED: Final = re.compile(
    rf"(data:[\w/+.;=-]{{1,200}},|(?<![\w+/=-])(?=[\w+/=-]{{{_BARE}}})"
    r"(?=\D{0,200}\d)(?=[^a-z]{0,200}[a-z])(?=[^A-Z]{0,200}[A-Z]))"
    r"([\w+/=-]+)",
    re.ASCII,
)
"""Base64 (RFC 4648, both alphabets), in a data URI (RFC 2397) or bare. Bare data must have a digit and letters of both
cases near its start, which excludes DNA sequences and numbers. It can occur inside text: DSPy wraps an Image in JSON.
"""
_BLOCKS: Final = frozenset({"input_audio", "audio", "file", "input_file", "document", "binary", "image", "video"})
"""Types of content blocks whose data can be base64 of any length without a data URI."""
_DATA: Final = frozenset({"data", "file_data"})


class _Limits(NamedTuple):
    """Maximum sizes in bytes."""

    other: int
    image: int


def without_large_media(value: AnyValue, max_bytes: int, max_image: int | None = None) -> AnyValue:
    """Replace encoded data of more than `max_bytes` bytes in plain data with a short text.

    Args:
        value: plain data.
        max_bytes: maximum size of what is kept.
        max_image: maximum size of images in data URIs; default: `max_bytes`.

    The text contains the media type, the size in bytes and the first 16 hex digits of the sha256 of the bytes:
    `data:image/png;base64,… (512000 bytes, sha256 00a9f9676b1d0440)`. The digest is that of `OmittedBlobPart`.
    """
    limits = _Limits(max_bytes, max_bytes if max_image is None else max_image)
    return _without(value, limits)


def _without(value: AnyValue, limits: _Limits) -> AnyValue:
    if isinstance(value, str):
        # Four characters encode three bytes: a text of at most as many characters cannot exceed the limit.
        return _ENCODED.sub(lambda found: _replaced(found, limits), value) if len(value) > min(limits) else value
    if isinstance(value, bytes):
        return value if len(value) <= limits.other else _described(value)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, AnyValue]", value)
        block = str(fields.get("type")) in _BLOCKS
        return {name: _field(name, item, limits, in_block=block) for name, item in fields.items()}
    if isinstance(value, list):
        return [_without(item, limits) for item in value]
    return value


def _field(name: str, value: AnyValue, limits: _Limits, *, in_block: bool) -> AnyValue:
    if in_block and isinstance(value, Mapping):  # {"type": "input_audio", "input_audio": {"data": …}}
        fields = cast("Mapping[str, AnyValue]", value)
        return {inner: _field(inner, item, limits, in_block=True) for inner, item in fields.items()}
    if in_block and name in _DATA and isinstance(value, str) and not value.startswith("data:"):
        decoded = _decoded(value)
        return value if decoded is None or len(decoded) <= limits.other else _described(decoded)
    return _without(value, limits)


def _replaced(found: re.Match[str], limits: _Limits) -> str:
    header, encoded = found.groups()
    max_bytes = limits.image if header.startswith("data:image/") else limits.other
    if len(encoded) * 3 // 4 - encoded[-2:].count("=") <= max_bytes:
        return found[0]
    decoded = _decoded(encoded)
    if decoded is None:
        digest = hashlib.sha256(found[0].encode()).hexdigest()[:16]
        return f"{header}… ({len(found[0])} characters, sha256 {digest})"
    return f"{header}{_described(decoded)}"


def _described(data: bytes) -> str:
    return f"… ({len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:16]})"


def _decoded(encoded: str) -> bytes | None:
    altchars = b"-_" if "-" in encoded or "_" in encoded else None
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars, validate=True)
    except ValueError:
        return None
