"""Supported DSPy versions, read by OpenTelemetry's instrumentation loader."""

from typing import Final

INSTRUMENTS: Final = ("dspy >= 2.6.27, < 4",)
"""Requirements, at least one of which must be installed for auto-instrumentation to load the instrumentor."""
