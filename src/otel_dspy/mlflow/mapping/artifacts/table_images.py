"""Images in tables, in the layout of `mlflow.log_table`: files beside the table, named by its cells.

MLflow's UI takes a column for one of images if its first cell is, and reports an error for each other cell in it.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.mapping.images import recognized
from otel_dspy.mlflow.mapping.operations import TableImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.mlflow.mapping.operations import LogTable

_FOLDER: Final = "table_images"


def with_images(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    """Return the rows, with images in the columns in which each cell is a complete image of a known format."""
    columns = [_images([row[column] for row in rows]) for column in range(len(rows[0]))] if rows else []
    return [
        [value if (images := columns[column]) is None else images[number] for column, value in enumerate(row)]
        for number, row in enumerate(rows)
    ]


def cell(path: str, value: object) -> object:
    """Return a cell of the table at that path as JSON-compatible data."""
    if not isinstance(value, TableImage):
        return value
    file = f"{folder(path)}/{value.name}"
    # MLflow shows the compressed file in the table. Compression would need an image library.
    return {"type": "image", "filepath": file, "compressed_filepath": file}


def folder(path: str) -> str:
    """Return the folder of the images of the table at that path."""
    return f"{_FOLDER}/{PurePosixPath(path).with_suffix('')}"


def files(table: LogTable) -> dict[str, bytes]:
    """Return the table's image files by name."""
    return {value.name: value.content for row in table.rows for value in row if isinstance(value, TableImage)}


def _images(column: Sequence[object]) -> list[TableImage] | None:
    images: list[TableImage] = []
    for value in column:
        image = recognized(value)
        if image is None:
            return None
        images.append(TableImage(f"{image.digest[:32]}.{image.ending}", image.content))
    return images
