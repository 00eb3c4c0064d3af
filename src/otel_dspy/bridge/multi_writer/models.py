"""LoggedModels that several writers may be about to create: one of them does. PENDING is a claim, READY is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

from otel_dspy.bridge.multi_writer import creation_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.tracking.store import FoundModel, Store

GONE = "RESOURCE_DOES_NOT_EXIST"


class MultiWriterModels:
    """The models of one experiment that others write too."""

    def __init__(self, store: Store, experiment_id: str) -> None:
        self._store = store
        self._experiment_id = experiment_id

    def ensure(self, run_id: str, name: str, tags: Mapping[str, str], path: str, text: str) -> str:
        """The model of that name that the run has made, READY, with a text at a path: its id."""

        def look() -> tuple[list[FoundModel], list[FoundModel]]:
            found = self._store.models_of(self._experiment_id, run_id, name)
            return [model for model in found if model.ready], [model for model in found if not model.ready]

        def settle(model: FoundModel) -> None:
            try:
                self._store.write_text(model.artifact_uri, path, text)
                self._store.finish_model(model.id)
            except MlflowException as error:
                # Somebody who has waited for us too long has deleted it, and settled another.
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
