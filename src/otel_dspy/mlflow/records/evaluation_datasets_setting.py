"""Setting of the environment that logs the datasets of optimizations as evaluation datasets."""

from __future__ import annotations

import os

from otel_dspy.boolean_text import boolean_variable
from otel_dspy.environment_variables import EVALUATION_DATASETS


def wanted() -> bool:
    """Return whether the environment asks for evaluation datasets."""
    return boolean_variable(os.environ, EVALUATION_DATASETS, default=False)
