"""Segment files of the spool where the system deletes no open file, as Windows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from otel_dspy.mlflow.delivery.spool_segments import SpoolSegments

if TYPE_CHECKING:
    import pytest


def test_a_delivered_file_is_deleted_once_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt comes while the file is locked, the second after it."""
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(tmp_path))
    unlink, close = Path.unlink, os.close
    closed: list[int] = []

    def unlink_closed(path: Path, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - pathlib's signature
        if path.parent == tmp_path and not closed:
            raise PermissionError(13, "The process cannot access the file because it is being used by another process")
        unlink(path, missing_ok)

    def noted(descriptor: int) -> None:
        closed.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(Path, "unlink", unlink_closed)
    monkeypatch.setattr(os, "close", noted)
    segments = SpoolSegments("now", "traces")
    segments.append([(0, b"{}")])
    closed.clear()
    assert [*tmp_path.iterdir()]
    segments.delete_until(0)
    assert not [*tmp_path.iterdir()]
