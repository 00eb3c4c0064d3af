"""Virtual environments of the compared packages, from pinned requirements, cached under `build/`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
REQUIREMENTS: Final = ROOT / "benchmarks" / "requirements"
_BUILD: Final = ROOT / "build" / "benchmarks"


def environment(name: str) -> Path:
    """The Python of the environment whose pins stand in `requirements/<name>.txt`; made anew when the pins change.

    Raises:
        subprocess.CalledProcessError: the packages could not be installed.
    """
    return installed(REQUIREMENTS / f"{name}.txt", _BUILD / name)


def installed(pins: Path, home: Path) -> Path:
    """The Python of the environment in `home` that holds these pins; made anew when they change.

    Raises:
        subprocess.CalledProcessError: the packages could not be installed.
    """
    python = home / "bin" / "python"
    stamp = home / ".installed"
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return python
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)], check=True)
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python", str(python)]
    subprocess.run([*install, "--requirements", str(pins)], check=True)
    stamp.write_text(digest)
    return python
