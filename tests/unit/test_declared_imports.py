"""What a part of the package imports directly, its extra names: nothing is left to what another package depends on."""

from __future__ import annotations

import ast
import functools
import re
import sys
import tomllib
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = ROOT / "src" / "otel_dspy"
EXTRAS: Final = {
    "hooks": ["instruments"],
    "telemetry": [],
    "serialization": [],
    "runtime": [],
    "mlflow": ["mlflow"],
    "bridge": ["bridge"],
    "otlp_requests": ["report"],
    "mlflow_server_app": ["bridge"],
    "exporter": ["otlp"],
    "model_registry": ["instruments", "mlflow"],
    "reporting": ["report"],
    "rerun": ["instruments", "mlflow"],
    "diagnosis": ["mlflow"],
    "forecasting": ["instruments", "mlflow"],
    "demo": ["demo"],
    "command_line": [],
    "environment": [],
    "formatting": [],
    ".": [],
}
"""Folder of the package -> extras that its modules need; `.` for the modules beside the folders."""
OPTIONAL: Final = {
    "hooks": {"gepa", "opentelemetry-sdk"},
    "telemetry": {"opentelemetry-sdk"},
    "serialization": {"dspy"},
    "mlflow": {"opentelemetry-proto", "protobuf"},
    "rerun": {"pydantic"},
    "diagnosis": {"grpcio"},
    "mlflow_server_app": {"click"},
    ".": {"dspy", "opentelemetry-sdk"},
}
"""Distributions that are imported only where something else has brought them: gepa and pydantic by DSPy, click,
opentelemetry-proto and protobuf by MLflow, grpcio by OpenTelemetry's exporter, the others by the user.
"""
PARTS: Final = ("mlflow", "opentelemetry-exporter-otlp")
"""Distributions whose files come in several, of the same release: `mlflow-tracing`, `opentelemetry-exporter-otlp-proto-http`."""


_NOT_INSTALLED: Final = frozenset({*sys.stdlib_module_names, "otel_dspy"})


def _imports(path: Path) -> Iterator[str]:
    """Absolute names of the modules that a file imports when it runs, lazily included; not those for type checks."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).startswith("sys.version_info >= "):
            assert isinstance(node.test, ast.Compare)
            newer = sys.version_info >= ast.literal_eval(node.test.comparators[0])
            waiting += node.body if newer else node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from google.rpc import code_pb2` names a module; the last part of others is an object.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


@functools.cache
def _owners() -> dict[str, str]:
    """Path of each installed Python file, without its ending -> the distribution that brought it."""
    found: dict[str, str] = {}
    for distribution in distributions():
        own = _normalized(distribution.metadata["Name"])
        name = next((whole for whole in PARTS if own.startswith(f"{whole}-")), own)
        for file in distribution.files or ():
            path = str(file)
            if path.endswith((".py", ".so", ".pyi")):
                found[path.partition(".")[0]] = name
    return found


def _normalized(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[._-]+", "-", name[0]).lower()


def _owner(module: str, owners: dict[str, str]) -> str | None:
    """The distribution that has the module, or the module that has the object of this name."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        path = "/".join(parts[:length])
        found = owners.get(path) or owners.get(f"{path}/__init__")
        if found is not None:
            return found
    return None


def _declared(extras: list[str]) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = cast("dict[str, list[str]]", project["optional-dependencies"])
    found: set[str] = {_normalized(one) for one in cast("list[str]", project["dependencies"])}
    waiting = list(extras)
    while waiting:
        for requirement in optional[waiting.pop()]:
            own = re.match(r"otel-dspy\[([\w,-]+)\]", requirement)
            if own is not None:
                waiting += own[1].split(",")
            else:
                found.add(_normalized(requirement))
    return found


@pytest.mark.parametrize("folder", EXTRAS)
def test_what_is_imported_is_declared(folder: str) -> None:
    """Each module that is imported at run time comes with a distribution that the base or the extra names."""
    files = [*(SOURCE / folder).glob("*.py" if folder == "." else "**/*.py")]
    declared = _declared(EXTRAS[folder]) | OPTIONAL.get(folder, set())
    found = {
        (str(path.relative_to(SOURCE)), module, _owner(module, _owners()))
        for path in files
        for module in _imports(path)
        if module.partition(".")[0] not in _NOT_INSTALLED
    }
    assert files
    assert {one for one in found if one[2] not in declared} == set()


def test_every_folder_is_looked_at() -> None:
    """A new folder of the package has an extra of its own, or declares that it needs none."""
    assert {path.parent.relative_to(SOURCE).parts[0] for path in SOURCE.glob("*/*.py")} == set(EXTRAS) - {"."}


def test_the_bridge_extra_requires_all_that_it_imports() -> None:
    """`otel-dspy bridge` names what is missing before it imports it: each distribution is among those it looks for."""
    from otel_dspy.bridge.command import NEEDED  # noqa: PLC0415 - with MLflow's extra

    assert all(find_spec(name) is not None for name in NEEDED)
    imported = {
        _owner(module, _owners())
        for folder in ("bridge", "mlflow", "otlp_requests")
        for path in (SOURCE / folder).rglob("*.py")
        for module in _imports(path)
        if module.partition(".")[0] not in _NOT_INSTALLED
    }
    looked_for = {_owner(name, _owners()) for name in NEEDED}
    assert imported - looked_for - _declared([]) == set()
