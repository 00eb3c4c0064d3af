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
    assert runs in _dry_run(target)


def test_check_runs_lint_the_unit_tests_and_the_build_of_the_documentation() -> None:
    """`make check` runs these three and no other test."""
    commands = _dry_run("check")
    assert all(part in commands for part in ("ruff check", "pyright", "lint-imports", "mkdocs build --strict"))
    assert [line for line in commands.splitlines() if "-m pytest" in line] == [
        ".venv/bin/python -m pytest -m 'not slow' -n 2 --dist worksteal tests/unit "
    ]


def _dry_run(target: str) -> str:
    # Without the arguments of the `make test` that runs this test.
    environment = {name: value for name, value in os.environ.items() if name not in {"ARGS", "MAKEFLAGS", "MFLAGS"}}
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout
