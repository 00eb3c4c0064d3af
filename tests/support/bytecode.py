"""Bytecode for environments that tests install: compiling what DSPy and MLflow import takes longer than importing it."""

from __future__ import annotations

import filecmp
import os
import shutil
import sysconfig
from pathlib import Path
from typing import Final

_FOLDER: Final = "__pycache__"
_EDITABLE: Final = Path(__file__).parents[2] / "src" / "otel_dspy"
"""In this environment the package is not among the others."""
_HASH: Final = ",sha256="
"""Stands between the path and the hash of a file in a distribution's RECORD."""


def share_bytecode(site_packages: Path) -> None:
    """Link this environment's bytecode into another one of the same Python, for the packages that both have.

    The interpreter compiles again what is not of the same source: each file of bytecode holds its source's size and time
    of modification. Equal sources with other times, from another cache of uv's, are replaced by links to this
    environment's.

    Args:
        site_packages: the other's, with its packages installed.
    """
    own = Path(sysconfig.get_path("purelib"))
    for record in site_packages.glob("*.dist-info/RECORD"):
        _share_sources(record, own / record.relative_to(site_packages))
    installed = site_packages / _EDITABLE.name
    for source in _EDITABLE.rglob("*.py"):
        target = installed / source.relative_to(_EDITABLE)
        if target.is_file() and filecmp.cmp(source, target, shallow=False):
            _replace(source, target)
    _link_bytecode(own, site_packages)
    _link_bytecode(_EDITABLE, installed)


def _link_bytecode(own: Path, other: Path) -> None:
    """Link that of each folder below `own` into the same one below `other`."""
    for folder, below, _ in os.walk(other):
        if _FOLDER in below:
            below.remove(_FOLDER)
        compiled = f"{own}{folder.removeprefix(str(other))}/{_FOLDER}"
        if os.path.isdir(compiled):  # noqa: PTH112 - thousands of folders and files: paths as text take half the time
            there = f"{folder}/{_FOLDER}"
            os.makedirs(there, exist_ok=True)  # noqa: PTH103 - the same
            for name in {*os.listdir(compiled)}.difference(os.listdir(there)):  # noqa: PTH208 - the same
                _link(f"{compiled}/{name}", f"{there}/{name}")


def _share_sources(record: Path, own_record: Path) -> None:
    """Replace the modules that both distributions list with the same hash, where their times of modification differ."""
    if not own_record.is_file():
        return
    rows, own_rows = (set(file.read_text(encoding="utf-8").splitlines()) for file in (record, own_record))
    for path in (row.partition(_HASH)[0] for row in rows & own_rows if f".py{_HASH}" in row):
        target, source = record.parents[1] / path, own_record.parents[1] / path
        if target.stat().st_mtime_ns != source.stat().st_mtime_ns:
            _replace(source, target)


def _replace(source: Path, target: Path) -> None:
    """Put a link in the place of a file; the one in uv's cache stays as it is."""
    target.unlink()
    _link(str(source), str(target))


def _link(source: str, target: str) -> None:
    """Link, or copy to another file system; what is there stays."""
    try:
        os.link(source, target)
    except FileExistsError:
        pass
    except OSError:
        shutil.copy2(source, target)
