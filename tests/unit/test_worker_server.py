"""The process that workers are forked from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.support.programs import ROOT, run_program

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
from tests.support.worker_server import import_tests

import_tests([sys.argv[1]])
print(*sorted(name for name in sys.modules if name.startswith("test_of_")))
"""


def test_what_is_not_imported_to_its_end_is_left_to_the_workers(tmp_path: Path) -> None:
    """They report a module that cannot be imported, or that skips itself: they do not find it imported and empty."""
    for name, text in (
        ("pytest.ini", "[pytest]\naddopts = --import-mode=importlib\npython_files = test_of_*.py\n"),
        ("test_of_all.py", "def test_one(): pass\n"),
        ("test_of_nothing.py", "import no_such_module\n"),
        ("test_of_something_else.py", "import pytest\npytest.skip('', allow_module_level=True)\n"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = run_program(str(tmp_path), text=PROGRAM, folder=tmp_path, environment=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "test_of_all"
