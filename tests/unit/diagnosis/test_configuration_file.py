"""The doctor on `OTEL_CONFIG_FILE`, whose file replaces the variables that it checks otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy.diagnosis.checks import configuration_file
from otel_dspy.diagnosis.checks.exporters import exporters
from otel_dspy.diagnosis.finding import Finding, Level

if TYPE_CHECKING:
    from pathlib import Path


def _not_installed(_name: str) -> bool:
    return False


def test_the_file_is_named_instead_of_other_exporters(tmp_path: Path) -> None:
    """Variables that the SDK does not read then are not checked: this endpoint would be a problem."""
    file = tmp_path / "otel.yaml"
    file.write_text('file_format: "1.0"\n', encoding="utf-8")
    environment = {
        "OTEL_CONFIG_FILE": str(file),
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    assert list(exporters(environment)) == [
        Finding(
            "exporter",
            Level.NOTE,
            f"OTEL_CONFIG_FILE={file} replaces the SDK's other OTEL_* variables. Its exporters are not checked, and its "
            "settings of otel-dspy are not shown here",
        )
    ]


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_is_not_there(name: str, tmp_path: Path) -> None:
    """It is a problem; a folder is no file."""
    file = tmp_path / name
    [found] = exporters({"OTEL_CONFIG_FILE": str(file)})
    assert found == Finding(
        "exporter",
        Level.PROBLEM,
        f"OTEL_CONFIG_FILE={file}: there is no such file, and opentelemetry-instrument then instruments nothing",
    )


def test_the_package_that_reads_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding has the command that installs it."""
    monkeypatch.setattr(configuration_file, "is_installed", _not_installed)
    [found] = exporters({"OTEL_CONFIG_FILE": str(tmp_path)})
    assert found.level is Level.PROBLEM
    assert found.text.endswith("pip install opentelemetry-configuration")
