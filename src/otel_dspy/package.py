"""What OpenTelemetry's instrumentation loader reads about this package."""

from typing import Final

_instruments: Final = ("dspy >= 3.4.0, < 4",)
_supports_metrics: Final = True
