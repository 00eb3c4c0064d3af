"""The commands that a newcomer and CI type."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_ci_runs_lint_tests_and_the_short_matrix(tmp_path: Path) -> None:
    """`.ci/run` calls `make lint`, `make test` and `make test-matrix-short`, all even if one fails, and fails if any does."""
    calls = tmp_path / "calls"
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\ntest "$1" != "$FAILING"\n', encoding="utf-8")
    make.chmod(0o755)
    for failing, status in (("none", 0), ("lint", 1), ("test", 1), ("test-matrix-short", 1)):
        calls.write_text("", encoding="utf-8")
        done = subprocess.run(
            ["bash", ROOT / ".ci" / "run"],
            env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "FAILING": failing},
            check=False,
        )
        assert done.returncode == status
        assert calls.read_text(encoding="utf-8").split() == ["lint", "test", "test-matrix-short"]


@pytest.mark.parametrize(("target", "runs"), [("demo", "otel-dspy demo"), ("test", "-m pytest"), ("docs", "mkdocs")])
def test_a_target_ends_in_its_program(target: str, runs: str) -> None:
    """`make demo`, `make test` and `make docs` set up their environment and run the program of that name."""
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True)
    assert runs in done.stdout
