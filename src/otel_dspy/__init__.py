"""OpenTelemetry for DSPy: spans, events and metrics of optimizations, evaluations, programs and LM calls."""

from otel_dspy.budget import Budget, BudgetExceeded
from otel_dspy.forecasting.api import forecast
from otel_dspy.gepa_stopper import GepaBudgetStopper
from otel_dspy.instrumentor import DSPyInstrumentor
from otel_dspy.reporting.compare import compare
from otel_dspy.reporting.report import report
from otel_dspy.telemetry.conventions.conversations import conversation
from otel_dspy.version import __version__

__all__ = [
    "Budget",
    "BudgetExceeded",
    "DSPyInstrumentor",
    "GepaBudgetStopper",
    "__version__",
    "compare",
    "conversation",
    "forecast",
    "report",
]
