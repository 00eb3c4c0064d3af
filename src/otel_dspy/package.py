"""Supported DSPy versions, read by OpenTelemetry's instrumentation loader."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from otel_dspy.environment.optional_modules import is_installed

INSTRUMENTS: Final = ("dspy >= 2.6.27, < 4",)
"""Requirements, at least one of which must be installed for auto-instrumentation to load the instrumentor."""


def lacks_metadata() -> bool:
    """Whether DSPy can be imported and its version is unknown: PyInstaller bundles modules without their metadata."""
    try:
        version("dspy")
    except PackageNotFoundError:
        return is_installed("dspy")
    return False
