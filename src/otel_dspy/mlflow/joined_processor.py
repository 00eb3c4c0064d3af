"""Span processor that `autolog` adds to a tracer provider which can replace its processors, as Logfire's can."""

from __future__ import annotations

import logging
import threading

from typing_extensions import override

from otel_dspy.mlflow import at_exit
from otel_dspy.mlflow.processor import MlflowSpanProcessor

_logger = logging.getLogger(__name__)


class JoinedProcessor(MlflowSpanProcessor):
    """Logs a warning when the provider shuts it down while the program continues: the provider drops it then."""

    @override
    def shutdown(self, *, wait: bool = True, end_runs: bool = True) -> None:
        from otel_dspy.instrumentor import DSPyInstrumentor  # noqa: PLC0415 - the two wings meet only when this is called

        by_provider = not (self.closed or at_exit.is_closing(self)) and threading.main_thread().is_alive()
        super().shutdown(wait=wait, end_runs=end_runs)
        if by_provider and DSPyInstrumentor().tracer_provider is not None:
            self.expect_shutdown()  # one warning is enough
            _logger.warning(
                "The tracer provider has shut down MLflow's span processor, as logfire.shutdown() and each further "
                "logfire.configure() do: nothing is recorded in MLflow from now on. Call otel_dspy.mlflow.autolog() "
                "again to continue."
            )
