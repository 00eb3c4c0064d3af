"""Activation of the demo's environment, whose commands `make demo` does not put on the PATH."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def activation() -> str | None:
    """Return the command that puts `otel-dspy` and `mlflow` on the PATH of a shell.

    None if they are there, or if this interpreter is not in an environment that can be activated.
    """
    if shutil.which("otel-dspy") is not None and shutil.which("mlflow") is not None:
        return None
    script = Path(sys.executable).parent / "activate"
    return f"source {shlex.quote(str(script))}" if script.is_file() else None
