"""Whether to log the datasets of optimizations as evaluation datasets, by the environment."""

from __future__ import annotations

import os
from typing import Final

from otel_dspy.boolean_text import boolean_variable

VARIABLE: Final = "OTEL_DSPY_MLFLOW_EVALUATION_DATASETS"
"""Environment variable; `true` logs them."""


def wanted() -> bool:
    """Return whether the environment asks for evaluation datasets."""
    return boolean_variable(os.environ, VARIABLE, default=False)
