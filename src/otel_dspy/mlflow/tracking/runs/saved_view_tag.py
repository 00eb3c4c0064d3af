"""Saves the view of an experiment's trials in MLflow: once, and again if its columns have changed since."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.runs.saved_view_content import trials_view
from otel_dspy.mlflow.tracking_uri import without_passwords

if TYPE_CHECKING:
    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection

_logger = logging.getLogger(__name__)


def save_trials_view(connection: Connection) -> None:
    """Save the view in the experiment, unless it has it or the user has changed it. A failure is logged at DEBUG.

    Args:
        connection: connection to the experiment.
    """
    try:
        store, experiment_id = connection.store(), connection.experiment_id()
        store.tag_experiment(
            experiment_id, trials_view(store.experiment_tags(experiment_id), time.time_ns() // 1_000_000)
        )
    except Exception as error:  # noqa: BLE001 - a user who may write runs may have no permission for the experiment
        _logger.debug("The view of trials is not saved: %s", without_passwords(str(error)))
