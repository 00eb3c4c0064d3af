"""Packages that reports need: those of the extra `report`."""

from __future__ import annotations

from typing import Final

from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.reporting.errors import ReportError

_NEEDED: Final = ("jinja2", "mlflow", "numpy", "rich", "scipy")


def check_packages(*further: str) -> None:
    """Check that the packages of the extra `report` are installed.

    Args:
        *further: names of modules that are needed in addition to those of all reports.

    Raises:
        ReportError: One is missing.
    """
    missing = [name for name in (*_NEEDED, *further) if not is_installed(name)]
    if missing:
        raise ReportError(f"Reports need packages that are missing: {', '.join(missing)}. Install otel-dspy[report].")
