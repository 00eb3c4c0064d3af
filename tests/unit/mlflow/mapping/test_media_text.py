"""Content blocks as short texts."""

from __future__ import annotations

from typing import Any

import pytest

from otel_dspy.mlflow.mapping.artifacts.tables import result_table
from otel_dspy.mlflow.mapping.media_text import readable

_OMITTED = "… (512000 bytes, sha256 8acfcabd38b512d5)"


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAECAw=="}}, "[image/png, 4 bytes]"),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_OMITTED}"}},
            "[image/png, 512000 bytes, sha256 8acfcabd38b512d5]",
        ),
        ({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, "[https://example.org/a.png]"),
        ({"type": "input_image", "image_url": "data:image/jpeg;base64,AAEC"}, "[image/jpeg, 3 bytes]"),
        ({"type": "input_audio", "input_audio": {"data": "AAEC", "format": "wav"}}, "[audio/wav, 3 bytes]"),
        (
            {"type": "input_audio", "input_audio": {"data": _OMITTED, "format": "wav"}},
            "[audio/wav, 512000 bytes, sha256 8acfcabd38b512d5]",
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAEC"}},
            "[a.pdf, application/pdf, 3 bytes]",
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, "[file-1]"),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": "AAEC"}}, "[a.pdf, file, 3 bytes]"),
        ({"type": "input_file", "file": {"filename": "a.pdf", "file_id": "file-1"}}, "[a.pdf, file-1]"),
        ({"type": "image", "image": {"data": "AAE=", "media_type": "image/png"}}, "[image/png, 2 bytes]"),
        ({"type": "image_url", "image_url": {"url": "data:text/plain,an X"}}, "[data:text/plain,an X]"),
        ({"type": "image_url", "image_url": {"url": "data:text/plain,[a]"}}, "[data:text/plain,[a]]"),
        ("look: data:image/png;base64,AAEC!", "look: [image/png, 3 bytes]!"),
        ({"type": "image_url", "width": 3}, {"type": "image_url", "width": 3}),
        (
            {"type": "document", "data": "a text", "title": "of mine"},
            {"type": "document", "data": "a text", "title": "of mine"},
        ),
        ({"type": "text", "text": "data"}, {"type": "text", "text": "data"}),
    ],
)
def test_each_kind(block: Any, text: Any) -> None:
    """Name, type or address, size and digest, as far as they are known; other data stays as it is."""
    assert readable(block) == text
    assert readable({"history": [{"picture": block}], "n": 1}) == {"history": [{"picture": text}], "n": 1}


def test_a_cell_of_a_result_table() -> None:
    """An image is one short text."""
    block = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_OMITTED}"}}
    columns, rows = result_table([{"index": 0, "score": 1.0, "inputs": {"picture": block}}])
    assert columns == ["index", "example_picture", "score"]
    assert rows == [[0, "[image/png, 512000 bytes, sha256 8acfcabd38b512d5]", 1.0]]
