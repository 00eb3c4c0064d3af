"""What this package instruments, for OpenTelemetry's instrumentation loader."""

from typing import Final

INSTRUMENTS: Final = ("dspy >= 2.6.27, < 4",)
"""Requirements of which one must be installed for the instrumentor to act."""
