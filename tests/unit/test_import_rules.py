"""Imports beside the contracts in pyproject.toml: what one file alone may import, what a plain import loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).resolve().parents[2] / "src" / "otel_dspy"


def _imports(path: Path) -> Iterator[str]:
    """Absolute names of all that a file imports, wherever in the file it stands."""
    package = ["otel_dspy", *path.relative_to(SOURCE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _is_within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def test_only_autologging_imports_the_instrumentor() -> None:
    """In `mlflow/`, nothing but autologging.py imports the instrumentor."""
    found = {
        path.name
        for path in (SOURCE / "mlflow").rglob("*.py")
        for name in _imports(path)
        if _is_within(name, "otel_dspy.instrumentor") or name == "otel_dspy.DSPyInstrumentor"
    }
    assert found == {"autologging.py"}


@pytest.mark.parametrize("module", ["otel_dspy", "otel_dspy.mlflow"])
def test_importing_it_imports_nothing_optional(module: str) -> None:
    """A plain import brings in neither DSPy nor MLflow nor litellm: they cost seconds, and may not be installed."""
    program = f"import sys, {module}; print(sorted({{'dspy', 'mlflow', 'litellm', 'optuna'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
