"""Bytecode for environments that tests install: compiling what DSPy and MLflow import takes longer than importing it."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path
from typing import Final

_FOLDER: Final = "__pycache__"


def share_bytecode(site_packages: Path) -> None:
    """Link this environment's bytecode into another one of the same Python, for the packages that both have.

    The interpreter compiles again what is not of the same source: each file of bytecode holds its source's size and time
    of modification, which uv keeps.

    Args:
        site_packages: the other's, with its packages installed.
    """
    own = Path(sysconfig.get_path("purelib"))
    for folder, below, _ in os.walk(site_packages):
        if _FOLDER in below:
            below.remove(_FOLDER)
        compiled = own / Path(folder).relative_to(site_packages) / _FOLDER
        if compiled.is_dir():
            shutil.copytree(compiled, Path(folder) / _FOLDER, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    """Link, or copy to another file system; what is there stays."""
    try:
        os.link(source, target)
    except FileExistsError:
        pass
    except OSError:
        shutil.copy2(source, target)
