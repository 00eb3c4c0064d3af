"""Large media inside of content."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from otel_dspy.telemetry.content.media_digests import without_large_media

BYTES = bytes(range(256)) * 4
ENCODED = base64.b64encode(BYTES).decode()
SHORT = f"… (1024 bytes, sha256 {hashlib.sha256(BYTES).hexdigest()[:16]})"
URI = f"data:image/png;base64,{ENCODED}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (URI, f"data:image/png;base64,{SHORT}"),
        (f"look: {URI}, and {URI}", f"look: data:image/png;base64,{SHORT}, and data:image/png;base64,{SHORT}"),
        (
            {"type": "image_url", "image_url": {"url": URI}},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{SHORT}"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": ENCODED, "format": "wav"}},
            {"type": "input_audio", "input_audio": {"data": SHORT, "format": "wav"}},
        ),
        (
            [{"type": "file", "file": {"file_data": ENCODED, "filename": "a.pdf"}}],
            [{"type": "file", "file": {"file_data": SHORT, "filename": "a.pdf"}}],
        ),
        ({"raw": BYTES}, {"raw": SHORT}),
        (base64.urlsafe_b64encode(BYTES * 4).decode(), None),
    ],
)
def test_each_is_replaced_by_size_and_digest(value: Any, expected: Any) -> None:
    """One byte more than the limit is too many; with the limit it stays whole, and so does all other data."""
    if expected is None:
        expected = f"… (4096 bytes, sha256 {hashlib.sha256(BYTES * 4).hexdigest()[:16]})"
        assert without_large_media(value, 4096) == value
    else:
        assert without_large_media(value, 1024) == value
    assert without_large_media(value, 1023) == expected


def test_what_is_no_media_stays() -> None:
    """Long texts, a field `data` of no content block, numbers and None, with a limit of 0 as well."""
    value: Any = {
        "data": ENCODED,
        "text": "why " * 5_000,
        "type": "x",
        "n": [1, None, 0.5],
        "url": "https://x.org/a.png",
    }
    assert without_large_media(value, 0) == value
