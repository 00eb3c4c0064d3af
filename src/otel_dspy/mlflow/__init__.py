"""MLflow integration of otel-dspy: maps spans to runs, metrics, artifacts and traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_dspy.mlflow.autologging import autolog
    from otel_dspy.mlflow.flushing import flush
    from otel_dspy.mlflow.processor import MlflowSpanProcessor

__all__ = ["MlflowSpanProcessor", "autolog", "flush"]


def __getattr__(name: str) -> object:
    try:
        return _imported(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "otel_dspy":
            raise
        message = f"otel_dspy.mlflow.{name} needs {error.name}, which is missing. Install otel-dspy[mlflow]."
        raise ModuleNotFoundError(message, name=error.name) from error


def _imported(name: str) -> object:
    # MLflow takes seconds to import, so it is imported on first use.
    if name == "autolog":
        from otel_dspy.mlflow.autologging import autolog  # noqa: PLC0415 - see above

        return autolog
    if name == "MlflowSpanProcessor":
        from otel_dspy.mlflow.processor import MlflowSpanProcessor  # noqa: PLC0415 - see above

        return MlflowSpanProcessor
    if name == "flush":
        from otel_dspy.mlflow.flushing import flush  # noqa: PLC0415 - needs OpenTelemetry's SDK, which is optional

        return flush
    raise AttributeError(name)
