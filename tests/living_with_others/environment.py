"""The environment that has all the others, and a process in it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from benchmarks.environments import ROOT, installed
from tests.support.blank_store import blank_store
from tests.support.interpreters import INTERPRETER_START

if TYPE_CHECKING:
    from pathlib import Path


def python_with_others() -> Path:
    """The Python that has the pins of `requirements/others.txt`, installed once under `build/`."""
    return installed(ROOT / "requirements" / "others.txt", ROOT / "build" / "others")


def worker_output(folder: Path, *command: str) -> Any:
    """What `python -m command` writes last, read as JSON. `folder`: where MLflow and DSPy's cache are."""
    return json.loads(worker_lines(folder, *command)[-1])


def worker_lines(folder: Path, *command: str) -> list[str]:
    """All that it writes."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"), INTERPRETER_START)),
        "MLFLOW_TRACKING_URI": blank_store(folder),
        "DSPY_CACHEDIR": str(folder / "cache"),
    }
    done = subprocess.run(
        [python_with_others(), "-m", *command], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()
