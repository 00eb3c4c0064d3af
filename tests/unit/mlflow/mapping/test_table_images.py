"""Images in tables: which columns have them, and how cells name their files."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from otel_dspy.mlflow.mapping.artifacts import table_images
from otel_dspy.mlflow.mapping.artifacts.tables import dataset_table, result_table, table_json
from otel_dspy.mlflow.mapping.operations import LogTable, TableImage
from otel_dspy.mlflow.mapping.run_keys import CompileRun
from tests.support.png_images import data_uri, png

BLACK, WHITE = png(0), png(255)
JPEG = b"\xff\xd8\xff\xe0 data \xff\xd9"
GIF = b"GIF89a data;"
WEBP = b"RIFF\x08\x00\x00\x00WEBPdata"


def block(uri: str) -> dict[str, Any]:
    """As `dspy.Image` is serialized."""
    return {"type": "image_url", "image_url": {"url": uri}}


def image(content: bytes, ending: str = "png") -> TableImage:
    """The cell of a file."""
    return TableImage(f"{hashlib.sha256(content).hexdigest()[:32]}.{ending}", content)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (block(data_uri(BLACK)), image(BLACK)),
        (data_uri(BLACK), image(BLACK)),
        ({"type": "input_image", "image_url": data_uri(JPEG, "jpeg")}, image(JPEG, "jpg")),
        (block(data_uri(GIF, "gif")), image(GIF, "gif")),
        (block(data_uri(WEBP, "webp")), image(WEBP, "webp")),
    ],
)
def test_each_form(value: Any, expected: TableImage) -> None:
    """A block or a data URI of a format that browsers show is a file, named by its digest."""
    assert table_images.with_images([[1, value]]) == [[1, expected]]


@pytest.mark.parametrize(
    "value",
    [
        block(data_uri(BLACK[:-20])),  # truncated
        block(data_uri(b"no image")),
        block(data_uri(BLACK).replace("base64,", "base64,____")),  # no base64
        block("data:image/png;base64,… (512000 bytes, sha256 8acfcabd38b512d5)"),
        block("https://example.org/a.png"),
        {"type": "image_url", "image_url": {"detail": "low"}},
        block(data_uri(b"<svg/>", "svg+xml")),
        f"look: {data_uri(BLACK)}",
        [block(data_uri(BLACK))],
        {"type": "input_audio", "input_audio": {"data": "AAEC", "format": "wav"}},
        None,
        1.5,
    ],
)
def test_a_column_with_another_cell_has_no_images(value: Any) -> None:
    """MLflow's UI reports an error for each cell of a column of images that is none."""
    for column in ([[value]], [[value], [block(data_uri(BLACK))]], [[data_uri(BLACK)], [value]]):
        assert table_images.with_images(column) == column


def test_a_table_of_results() -> None:
    """Cells name files beside the table; a column that is not of images alone has texts."""
    shown: list[dict[str, Any]] = [
        {"index": 0, "score": 1.0, "inputs": {"picture": block(data_uri(BLACK)), "other": block(data_uri(BLACK))}},
        {"index": 1, "score": 0.0, "inputs": {"picture": block(data_uri(WHITE)), "other": "none"}},
    ]
    columns, rows = result_table(shown)
    table = LogTable(key="k", run=CompileRun("c"), path="result_table.json", columns=columns, rows=rows, start_ms=0)
    black, white = (
        {"type": "image", "filepath": file, "compressed_filepath": file}
        for file in (f"table_images/result_table_2/{image(content).name}" for content in (BLACK, WHITE))
    )
    assert json.loads(table_json(table, "result_table_2.json")) == {
        "columns": ["index", "example_picture", "example_other", "score"],
        "data": [[0, black, f"[image/png, {len(BLACK)} bytes]", 1.0], [1, white, "none", 0.0]],
    }
    assert table_images.files(table) == {image(BLACK).name: BLACK, image(WHITE).name: WHITE}


def test_a_dataset_without_rows() -> None:
    """No rows, no columns of images."""
    assert dataset_table(["picture"], []) == (["picture"], [])
