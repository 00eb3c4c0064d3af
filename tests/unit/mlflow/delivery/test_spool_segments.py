"""Segment files of the spool that are deleted, by us or by others."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from otel_dspy.mlflow.delivery.spool_folder import in_use
from otel_dspy.mlflow.delivery.spool_segments import SpoolPosition, SpoolSegments


def test_a_delivered_file_is_deleted_once_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system deletes no open file, as Windows: the first attempt comes while it is locked, the next after it."""
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


@pytest.mark.parametrize("lost", ["deleted", "moved", "copied back"])
def test_files_that_others_delete_or_move_are_written_again(
    lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the next line: a program may run for days, while something cleans up the folder."""
    spool, elsewhere = tmp_path / "spool", tmp_path / "elsewhere"
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(spool))
    segments = SpoolSegments("now", "traces")
    segments.append([(0, b'{"a": 0}')])
    segments.keep()
    segments.append([(1, b'{"a": 1}')])
    first, second = segments.paths
    spool.rename(elsewhere)
    if lost == "deleted":
        shutil.rmtree(elsewhere)
    if lost == "copied back":
        shutil.copytree(elsewhere, spool)
    segments.append([(2, b'{"a": 2}')])
    assert first.read_bytes() == b'{"a": 0}\n'
    assert second.read_bytes() == b'{"a": 1}\n{"a": 2}\n'
    assert in_use(second)
    assert segments.paths == [first, second]
    assert {path.stat().st_mode & 0o777 for path in spool.iterdir()} == {0o600}
    lines, _ = segments.read(SpoolPosition(1, 0), 10, 1000)
    assert b"".join(lines) == first.read_bytes() + second.read_bytes()
    segments.close()
    assert sorted(spool.iterdir()) == [first, second]
    assert not in_use(second)


def test_a_file_that_cannot_be_written_again_is_written_with_a_later_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is not written either, as on a full disk: the caller keeps it."""
    spool = tmp_path / "spool"
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(spool))
    segments = SpoolSegments("now", "traces")
    segments.append([(0, b"{}")])
    shutil.rmtree(spool)
    spool.write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        segments.append([(1, b"[]")])
    spool.unlink()
    segments.append([(1, b"[]")])
    assert [path.read_bytes() for path in spool.iterdir()] == [b"{}\n[]\n"]
    segments.close()


def test_a_file_that_others_truncate_and_delete_is_written_again_as_far_as_it_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next line does not continue a part of one."""
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(tmp_path))
    segments = SpoolSegments("now", "traces")
    segments.append([(0, b"{}"), (1, b"[1]")])
    (first,) = segments.paths
    os.truncate(first, 5)
    first.unlink()
    segments.append([(2, b"[2]")])
    assert [path.read_bytes() for path in segments.paths] == [b"{}\n[1", b"[2]\n"]
    lines, _ = segments.read(SpoolPosition(1, 0), 10, 1000)
    assert lines == [b"{}\n", b"[1", b"[2]\n"]
    segments.close()


def test_a_program_may_change_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a relative OTEL_DSPY_SPOOL_DIR stay where they were created, and are deleted there."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", "spool")
    segments = SpoolSegments("now", "traces")
    segments.append([(0, b"{}")])
    monkeypatch.chdir("elsewhere")
    segments.append([(1, b"[]")])
    assert [path.read_bytes() for path in (tmp_path / "spool").iterdir()] == [b"{}\n[]\n"]
    assert not [*(tmp_path / "elsewhere").iterdir()]
    segments.delete_until(1)
    assert not [*(tmp_path / "spool").iterdir()]
