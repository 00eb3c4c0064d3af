"""The doctor where the user has no home folder, in which MLflow cannot be imported."""

from __future__ import annotations

import pwd
from typing import TYPE_CHECKING, Any

from otel_dspy.diagnosis.checks.installed_packages import installed
from otel_dspy.diagnosis.finding import Level

if TYPE_CHECKING:
    import pytest


def test_mlflow_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow reads the home folder at its import, and raises."""
    entries: dict[int, Any] = {}
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", entries.__getitem__)
    (found,) = [finding for finding in installed({}) if finding.subject == "mlflow"]
    assert found.level is Level.PROBLEM
    assert "this user has no home directory. Set HOME to a folder" in found.text
