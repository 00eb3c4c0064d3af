"""The page of settings lists each keyword, argument and environment variable."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

from otel_dspy.diagnosis.checks.misspelled_variables import known
from otel_dspy.mlflow import autolog
from otel_dspy.settings import Settings
from otel_dspy.telemetry.provider_check import PROVIDERS

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")


def named(section: str, table: int = 0) -> set[str]:
    """The names in the first column of a section's table."""
    body = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"(?:^\|.*\n)+", body, re.MULTILINE)[table].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_each_variable() -> None:
    """No variable is missing, and none is listed that is not read."""
    listed = set(re.findall(r"OTEL_DSPY_[A-Z_]+[A-Z]", PAGE)) - {"OTEL_DSPY_BUDGET"}
    assert listed == known()


def test_each_keyword_of_the_instrumentation() -> None:
    """The fields of `Settings` and the providers."""
    assert named("Instrumentation") == {field.name for field in fields(Settings)} | set(PROVIDERS)


def test_each_argument_of_autolog() -> None:
    """No argument is missing, and none is listed that does not exist."""
    assert named("MLflow") == set(inspect.signature(autolog).parameters)
