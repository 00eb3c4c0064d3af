"""Warning for spans that start after MLflow's span processor was shut down."""

from __future__ import annotations

import logging
import threading
from typing import Final

_logger = logging.getLogger(__name__)
CLOSED: Final = (
    "MLflow's span processor was shut down: what starts from now on is not recorded in MLflow. Call "
    "otel_dspy.mlflow.autolog(), or add a new otel_dspy.mlflow.MlflowSpanProcessor to the tracer provider."
)


class ClosedWarning:
    """Logs one warning for each processor, unless the program has ended."""

    def __init__(self) -> None:
        self._due = True
        self.canceled = False
        """Whether the program wants the shutdown, or ends."""

    def cancel(self) -> None:
        """Log nothing."""
        self.canceled = True
        self._due = False

    def span_started(self, text: str = CLOSED) -> None:
        """Log the warning, if none was logged yet, for a span that is not recorded."""
        if self._due and threading.main_thread().is_alive():
            self._due = False
            _logger.warning(text)
