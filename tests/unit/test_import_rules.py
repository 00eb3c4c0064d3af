"""The two wings stand side by side: who may import whom, read off the source and seen on import."""

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

RULES = [
    ("hooks", ("mlflow", "otel_dspy.mlflow", "otel_dspy.report", "otel_dspy.demo", "otel_dspy.cli")),
    ("telemetry", ("mlflow", "otel_dspy.mlflow", "otel_dspy.hooks", "otel_dspy.report", "otel_dspy.demo")),
    ("mlflow", ("dspy", "otel_dspy.hooks", "otel_dspy.telemetry")),
    ("bridge", ("dspy", "otel_dspy.hooks", "otel_dspy.telemetry")),
    ("exporter", ("dspy", "mlflow", "otel_dspy.hooks", "otel_dspy.telemetry", "otel_dspy.mlflow", "otel_dspy.bridge")),
]
"""(folder, what nothing in it may import, not even inside a function or for type checks alone)."""


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


@pytest.mark.parametrize(("folder", "forbidden"), RULES, ids=[folder for folder, _ in RULES])
def test_a_wing_never_imports_what_it_must_not(folder: str, forbidden: tuple[str, ...]) -> None:
    """No file of the folder imports a forbidden module anywhere, lazily included."""
    files = list((SOURCE / folder).rglob("*.py"))
    assert files
    found = [
        f"{path.relative_to(SOURCE)}: {name}"
        for path in files
        for name in _imports(path)
        if any(_is_within(name, module) for module in forbidden)
    ]
    assert found == []


def test_only_autologging_joins_the_wings() -> None:
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
