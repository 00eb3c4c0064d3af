"""The wheel as a user gets it: what it needs, what it holds, and that its base alone can be imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from otel_dspy import __version__

ROOT = Path(__file__).resolve().parents[2]
BASE = frozenset({"opentelemetry-api", "opentelemetry-instrumentation", "opentelemetry-semantic-conventions"}) | {
    "opentelemetry-util-genai",
    "typing-extensions",
    "wrapt",
}
PROGRAM = """
import importlib.metadata, importlib.util, otel_dspy, otel_dspy.semconv
absent = [name for name in ("dspy", "mlflow", "opentelemetry.sdk") if importlib.util.find_spec(name) is None]
entry = importlib.metadata.entry_points(group="opentelemetry_instrumentor")["otel_dspy"].load()
print(otel_dspy.__version__, entry is otel_dspy.DSPyInstrumentor, absent)
otel_dspy.DSPyInstrumentor().instrument()  # logs what is missing, and raises nothing
"""


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """The wheel carries every source file, the type marker and the license; no tests, no tools."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = ROOT / "src" / "otel_dspy"
    sources = {f"otel_dspy/{path.relative_to(package).as_posix()}" for path in package.rglob("*.py")}
    assert sources <= names
    assert "otel_dspy/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"otel_dspy"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_base_install_requires_what_the_architecture_page_lists(wheel: Path) -> None:
    """Without an extra, six packages are required and no other."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    required = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    base = {line.split("<")[0].split(">")[0].strip() for line in required if "extra ==" not in line}
    assert base == BASE


@pytest.mark.registry
def test_the_base_alone_can_be_imported(wheel: Path, disk_path: Path) -> None:
    """In a new environment with the wheel and what it requires, without DSPy and MLflow, `import otel_dspy` works.

    `instrument()` there logs that DSPy is missing and raises nothing, as OpenTelemetry's instrumentors do.
    """
    uv = shutil.which("uv", path=f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    subprocess.run([sys.executable, "-m", "venv", *(["--without-pip"] if uv else []), disk_path / "venv"], check=True)
    python = disk_path / "venv" / "bin" / "python"
    install = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    subprocess.run([*install, "--quiet", wheel], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    result = subprocess.run(
        [python, "-c", PROGRAM], cwd=disk_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == f"{__version__} True ['dspy', 'mlflow', 'opentelemetry.sdk']"
    assert "dspy" in result.stderr
