"""Says once when MLflow's own DSPy autologging is on as well."""

from __future__ import annotations

import logging
import sys
from typing import Any

_logger = logging.getLogger(__name__)
_warned = False


def warn_if_mlflow_autologs() -> None:
    """Warn, once in a process, if MLflow's callback is registered with DSPy; an unloaded DSPy is not loaded for it."""
    global _warned  # noqa: PLW0603 - once in a process is what it means
    if _warned:
        return
    dspy: Any = sys.modules.get("dspy")
    callbacks: Any = getattr(getattr(dspy, "settings", None), "callbacks", None) or ()
    if any(type(callback).__module__.startswith("mlflow.dspy") for callback in callbacks):
        _warned = True
        _logger.warning(
            "MLflow's own DSPy autologging is on too: everything is recorded twice, and a metric that raises is turned "
            "into None. Turn it off with mlflow.dspy.autolog(disable=True)."
        )
