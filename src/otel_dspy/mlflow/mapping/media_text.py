"""Short text descriptions of images, audio and files, for table cells and trace previews."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from otel_dspy.serialization.json_types import is_array, is_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

_BLOCKS: Final[Mapping[str, str]] = {
    "image_url": "image", "input_image": "image", "image": "image",
    "input_audio": "audio", "audio": "audio",
    "video_url": "video", "video": "video",
    "file": "file", "input_file": "file", "document": "document",
}  # fmt: skip
"""Types of content blocks to the kind of content."""
_ADDRESSES: Final = ("url", "image_url", "video_url", "data", "file_data", "file_id")
_OMITTED: Final = r"… \((?P<size>\d+ (?:bytes|characters)), (?P<sha256>sha256 \w+)\)"
_URI: Final = re.compile(
    rf"data:(?P<type>[\w/+.-]{{1,200}})[\w/+.;=-]{{0,200}},(?:{_OMITTED}|(?P<data>[\w+/=-]+))", re.ASCII
)
_IMAGE: Final = re.compile(r"data:image/(?P<subtype>[\w+.-]{1,20});base64,(?P<data>[\w+/=]+)", re.ASCII)
_BARE: Final = re.compile(_OMITTED)
HINTS: Final = (";base64,", '"input_audio"', '"file_data"')
"""JSON text with an image, audio or a file contains one of these."""


def readable(value: object) -> object:
    """Return the value with each content block replaced by a text such as `[image/png, 512000 bytes, sha256 00a9…]`.

    Args:
        value: JSON-compatible data.
    """
    if isinstance(value, str):
        return _URI.sub(_described_uri, value) if ";base64," in value else value
    if is_mapping(value):
        return _described_block(value) or {name: readable(item) for name, item in value.items()}
    if is_array(value):
        return [readable(item) for item in value]
    return value


def image_uri(value: object) -> tuple[str, str] | None:
    """Return the subtype of the media type and the encoded data of an image: a content block or a data URI."""
    if is_mapping(value):
        kind = str(value.get("type"))
        if _BLOCKS.get(kind) != "image":
            return None
        inner = value.get(kind)
        address = _address(inner if is_mapping(inner) else value)
        value = None if address is None else address[1]
    found = _IMAGE.fullmatch(value) if isinstance(value, str) else None
    return (found["subtype"], found["data"]) if found is not None else None


def decoded_size(encoded: str) -> int:
    """Return the number of bytes of base64-encoded data."""
    return len(encoded.rstrip("=")) * 3 // 4


def _described_block(block: Mapping[str, object]) -> str | None:
    kind = str(block.get("type"))
    if kind not in _BLOCKS:
        return None
    inner = block.get(kind, block.get(_BLOCKS[kind]))
    if not is_mapping(inner) and not kind.startswith("input_"):
        return None  # a record of the user's
    source = inner if is_mapping(inner) else block
    found = _address(source)
    if found is None:
        return None
    key, address = found
    name, form = source.get("filename"), source.get("format")
    if address.startswith("data:"):
        described = str(readable(address))
        return _shown(name, described[1:-1] if described[0] == "[" and described[-1] == "]" else described)
    if key not in {"data", "file_data"}:
        return _shown(name, address)
    omitted = _BARE.fullmatch(address)
    size = (omitted["size"], omitted["sha256"]) if omitted else (f"{decoded_size(address)} bytes",)
    return _shown(name, f"{_BLOCKS[kind]}/{form}" if form else source.get("media_type") or _BLOCKS[kind], *size)


def _address(source: Mapping[str, object]) -> tuple[str, str] | None:
    """Return the content's field name and its URL, encoded data or file id; None without content."""
    for name in _ADDRESSES:
        value = source.get(name)
        if isinstance(value, str):
            return name, value
    return None


def _described_uri(found: re.Match[str]) -> str:
    size = found["size"] or f"{decoded_size(found['data'])} bytes"
    return _shown(found["type"], size, found["sha256"])


def _shown(*words: object) -> str:
    return f"[{', '.join(str(word) for word in words if word)}]"
