"""Check of the SDK's configuration file, which replaces the SDK's other environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.environment.optional_modules import is_installed

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE: Final = "OTEL_CONFIG_FILE"
_PACKAGE: Final = "opentelemetry-configuration"
_NOTHING: Final = "opentelemetry-instrument then instruments nothing"


def configuration_file(environment: Mapping[str, str]) -> Finding | None:
    """Return a finding about the file that `OTEL_CONFIG_FILE` names; None if the variable is not set.

    The file is not read: the SDK's loader logs parts of it, which may be keys.
    """
    file = environment.get(_VARIABLE)
    if not file:
        return None
    if not is_installed("opentelemetry.configuration"):
        wrong = f"{_PACKAGE} is not installed, and {_NOTHING}. pip install {_PACKAGE}"
    elif not Path(file).is_file():
        wrong = f"there is no such file, and {_NOTHING}"
    else:
        return Finding(
            "exporter",
            Level.NOTE,
            f"{_VARIABLE}={file} replaces the SDK's other OTEL_* variables. Its exporters are not checked, and its "
            "settings of otel-dspy are not shown here",
        )
    return Finding("exporter", Level.PROBLEM, f"{_VARIABLE}={file}: {wrong}")
