"""Names of environment variables that `otel-dspy doctor` knows without importing the code that reads them."""

from __future__ import annotations

from typing import Final

EXPORT_MAX_BYTES: Final = "OTEL_DSPY_EXPORT_MAX_BYTES"
REPORT: Final = "OTEL_DSPY_REPORT"
PROGRESS: Final = "OTEL_DSPY_PROGRESS"
SERVER_APP_BASE: Final = "OTEL_DSPY_SERVER_APP_BASE"
AUTOLOG_METRICS: Final = "OTEL_DSPY_MLFLOW_AUTOLOG_METRICS"
EVALUATION_DATASETS: Final = "OTEL_DSPY_MLFLOW_EVALUATION_DATASETS"
KNOWN: Final = frozenset({
    EXPORT_MAX_BYTES, REPORT, PROGRESS, SERVER_APP_BASE, AUTOLOG_METRICS, EVALUATION_DATASETS,
})  # fmt: skip
"""All of these names."""
