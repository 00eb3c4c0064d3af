"""Interpreters that tests start with `subprocess`: they collect garbage as seldom as the tests' own processes do.

Where `opentelemetry-instrument` starts one, its own `sitecustomize` comes first, and nothing is changed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

INTERPRETER_START: Final = str(Path(__file__).with_name("interpreter_start"))
"""A folder for the end of `PYTHONPATH`, where a test sets that itself."""


def collect_seldom() -> None:
    """Let each interpreter that inherits this process' environment do so."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if INTERPRETER_START not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([*paths, INTERPRETER_START])
