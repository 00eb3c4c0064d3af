"""Span processor that `autolog` adds to a tracer provider which can replace its processors, as Logfire's can."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from typing_extensions import override

from otel_dspy.mlflow import at_exit
from otel_dspy.mlflow.processor import MlflowSpanProcessor

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger(__name__)


class JoinedProcessor(MlflowSpanProcessor):
    """Logs a warning when the provider shuts it down while the program continues: the provider drops it then."""

    def __init__(self, instrumented: Callable[[], bool]) -> None:
        """Create a processor.

        Args:
            instrumented: returns whether DSPy is instrumented; otherwise there is nothing to warn about.
        """
        super().__init__()
        self._instrumented = instrumented

    @override
    def shutdown(self, *, wait: bool = True, end_runs: bool = True) -> None:
        by_provider = not (self.closed or at_exit.is_closing(self)) and threading.main_thread().is_alive()
        super().shutdown(wait=wait, end_runs=end_runs)
        if by_provider and self._instrumented():
            self.expect_shutdown()  # one warning is enough
            _logger.warning(
                "The tracer provider has shut down MLflow's span processor, as logfire.shutdown() and each further "
                "logfire.configure() do: nothing is recorded in MLflow from now on. Call otel_dspy.mlflow.autolog() "
                "again to continue."
            )
