"""A file of a user's code with programs, as commands are given it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

CODE = """
import dspy

class Answer(dspy.Module):
    def __init__(self):
        super().__init__()
        self.answer = dspy.Predict("question -> answer")

made = Answer()

def make():
    return Answer()

def number():
    return 7

limit = 7
"""


@contextmanager
def program_file(folder: Path) -> Generator[Path]:
    """Write the file; no package has it, and its module is not imported any more afterwards."""
    path = folder / "programs_of_this_test.py"
    path.write_text(CODE, encoding="utf-8")
    yield path
    sys.modules.pop(path.stem, None)
