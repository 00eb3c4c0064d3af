"""Images in recorded values: complete files of the formats that browsers show."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.mapping.media_text import image_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMATS: Final[Mapping[str, tuple[str, bytes, bytes]]] = {
    "png": ("png", b"\x89PNG\r\n\x1a\n", b"IEND"),
    "jpeg": ("jpg", b"\xff\xd8\xff", b"\xff\xd9"),
    "jpg": ("jpg", b"\xff\xd8\xff", b"\xff\xd9"),
    "gif": ("gif", b"GIF8", b";"),
    "webp": ("webp", b"RIFF", b""),
}
"""Subtypes of media types that browsers show: a file's ending, its first bytes, and bytes near its end."""
_END: Final = 1024
"""Number of bytes at the end of a file that are searched for its end: some programs append data."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image file.

    Attributes:
        media_type: its media type, `image/png` for example.
        ending: the usual ending of its file name.
        content: the file.
    """

    media_type: str
    ending: str
    content: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the content: 64 hex digits."""
        return hashlib.sha256(self.content).hexdigest()


def recognized(value: object) -> Image | None:
    """Return the image of a content block or a data URI; None for other values, incomplete images and other formats."""
    found = image_uri(value)
    form = _FORMATS.get(found[0]) if found is not None else None
    if found is None or form is None:
        return None
    try:
        content = base64.b64decode(found[1], validate=True)
    except ValueError:
        return None
    ending, first, last = form
    if not content.startswith(first) or last not in content[-_END:]:
        return None  # truncated, or none: a browser would show an empty place
    return Image(f"image/{found[0]}", ending, content)
