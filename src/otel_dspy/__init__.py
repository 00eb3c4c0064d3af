"""OpenTelemetry for DSPy: spans, events and metrics of optimizations, evaluations, programs and LM calls."""

from otel_dspy.budget import Budget, BudgetExceeded
from otel_dspy.diagnosis.api import Diagnosis, doctor
from otel_dspy.forecasting.api import forecast
from otel_dspy.instrumentor import DSPyInstrumentor
from otel_dspy.model_registry.api import register
from otel_dspy.reporting.compare import compare
from otel_dspy.reporting.report import report
from otel_dspy.rerun.best_program import BestProgram, best_program
from otel_dspy.rerun.errors import RecordedCallError, RerunError, UnknownCallError
from otel_dspy.rerun.replay_lm.api import replay_lm
from otel_dspy.telemetry.conventions.conversations import conversation
from otel_dspy.telemetry.gepa_budget_stopper import GepaBudgetStopper
from otel_dspy.version import __version__

__all__ = [
    "BestProgram",
    "Budget",
    "BudgetExceeded",
    "DSPyInstrumentor",
    "Diagnosis",
    "GepaBudgetStopper",
    "RecordedCallError",
    "RerunError",
    "UnknownCallError",
    "__version__",
    "best_program",
    "compare",
    "conversation",
    "doctor",
    "forecast",
    "register",
    "replay_lm",
    "report",
]
