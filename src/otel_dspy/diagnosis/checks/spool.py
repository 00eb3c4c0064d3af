"""Check of the spool folder: files left from earlier processes, and whether it can be written."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.environment.variable_names import SPOOL_DIR
from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.mlflow.delivery import spool_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def spool() -> Iterator[Finding]:
    """Check that the spool folder is empty and can be written."""
    folder = spool_folder.folder()
    files = sorted(folder.glob(f"*{spool_folder.SUFFIX}")) if folder.is_dir() else []
    left = [path for path in files if not _in_use(path)]
    if left:
        size = sum(path.stat().st_size for path in left) / 2**20
        yield Finding(
            "spool",
            Level.WARNING,
            f"{counted(len(left), 'file')} ({size:.1f} MiB) in {folder} {'is' if len(left) == 1 else 'are'} "
            "not yet written to MLflow: run otel-dspy replay",
        )
        return
    if _is_writable(next(path for path in (folder, *folder.parents) if path.exists())):
        yield Finding("spool", Level.OK, f"{folder} is empty and writable")
    else:
        yield Finding(
            "spool", Level.PROBLEM, f"{folder} is not writable: spans that are not delivered are lost when the process "
            f"ends. Set {SPOOL_DIR} to a writable folder."
        )  # fmt: skip


def _is_writable(folder: Path) -> bool:
    # `os.access` also returns True for folders of virtual file systems, in which no file can be created.
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _in_use(path: Path) -> bool:
    try:
        return spool_folder.in_use(path)
    except OSError:
        return False
