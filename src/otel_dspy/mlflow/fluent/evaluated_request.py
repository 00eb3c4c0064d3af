"""The request of MLflow's evaluation that the caller is a prediction of."""

from __future__ import annotations

import sys
from typing import Final

from mlflow.tracing.utils import maybe_get_request_id

_PREDICTION_CONTEXT: Final = "mlflow.pyfunc.context"
"""MLflow's module of the current prediction; while it is not loaded there is none. MLflow's lookup imports all of
`mlflow.pyfunc`, which takes a second and warns: an error where the program turns warnings into errors."""


def evaluated_request_id() -> str | None:
    """Return the id of the request, None outside of an evaluation. Imports nothing."""
    return maybe_get_request_id(is_evaluate=True) if _PREDICTION_CONTEXT in sys.modules else None
