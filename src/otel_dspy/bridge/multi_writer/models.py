"""Creation of LoggedModels by concurrent writers.

In terms of `creation_lock`, a PENDING model is a claim and a READY model is settled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

from otel_dspy.bridge.multi_writer import creation_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.tracking.store import FoundModel, Store

GONE = "RESOURCE_DOES_NOT_EXIST"


class MultiWriterModels:
    """Models of one experiment with several writers."""

    def __init__(self, store: Store, experiment_id: str) -> None:
        self._store = store
        self._experiment_id = experiment_id

    def ensure(self, run_id: str, name: str, tags: Mapping[str, str], path: str, text: str) -> str:
        """Return the id of the run's READY model of that name; create it if it does not exist.

        Args:
            run_id: run that the model belongs to.
            name: name of the model.
            tags: tags of a new model.
            path: artifact path of the model's text.
            text: the model's text.
        """

        def look() -> tuple[list[FoundModel], list[FoundModel]]:
            found = self._store.models_of(self._experiment_id, run_id, name)
            return [model for model in found if model.ready], [model for model in found if not model.ready]

        def settle(model: FoundModel) -> None:
            try:
                self._store.write_text(model.artifact_uri, path, text)
                self._store.finish_model(model.id)
            except MlflowException as error:
                # Another writer has timed out waiting for this claim, deleted it and settled its own.
                if error.error_code != GONE:
                    raise

        while True:
            ready, _ = look()
            if ready:
                return min(model.id for model in ready)
            own = self._store.create_model(self._experiment_id, run_id, name, tags).id
            chosen = creation_lock.decided(own, look, self._store.delete_model, settle, creation_lock.PATIENCE)
            if chosen is not None and chosen.id == own:
                return own
            self._store.delete_model(own)
