"""Setting of the environment that logs the datasets of optimizations as evaluation datasets."""

from __future__ import annotations

import os

from otel_dspy.environment.boolean_text import boolean_variable
from otel_dspy.environment.variable_names import EVALUATION_DATASETS


def wanted(given: bool | None = None) -> bool:  # noqa: FBT001 - a setting as it was given
    """Return whether evaluation datasets are wanted: as given, else as the environment has it, else not."""
    return boolean_variable(os.environ, EVALUATION_DATASETS, default=False) if given is None else given
