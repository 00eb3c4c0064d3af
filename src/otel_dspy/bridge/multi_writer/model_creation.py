"""Creation of LoggedModels by concurrent writers.

In terms of `creation_lock`, a PENDING model is a claim and a READY model is settled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.bridge.multi_writer import creation_lock
from otel_dspy.mlflow.tracking.requests.ignored_error import IgnoredError

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import LogModel
    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
    from otel_dspy.mlflow.tracking.store.model_store import FoundModel

GONE = "RESOURCE_DOES_NOT_EXIST"


def ready_model(connection: Connection, operation: LogModel, run_id: str, text: str) -> str:
    """Return the id of the run's READY model of that name; create it if it does not exist.

    Args:
        connection: the experiment.
        operation: name, tags and artifact path of the model.
        run_id: run that the model belongs to.
        text: the model's text.
    """
    store, experiment_id = connection.store(), connection.experiment_id()

    def look() -> tuple[list[FoundModel], list[FoundModel]]:
        found = store.models.models_of(experiment_id, run_id, operation.name)
        return [model for model in found if model.ready], [model for model in found if not model.ready]

    def give_up(model_id: str) -> bool:
        store.models.delete_model(model_id)
        return True

    def settle(model: FoundModel) -> bool:
        with IgnoredError(GONE):  # another writer has timed out waiting for this claim, deleted it and settled its own
            store.artifacts.write_text(model.artifact_uri, operation.path, text)
            store.models.finish_model(model.id)
            return True
        return False

    while True:
        ready, _ = look()
        if ready:
            return min(model.id for model in ready)
        own = store.models.create_model(experiment_id, run_id, operation.name, operation.tags).id
        chosen = creation_lock.decided(own, look, give_up, settle, creation_lock.CLAIM_TIMEOUT)
        if chosen is not None and chosen.id == own:
            return own
        store.models.delete_model(own)
