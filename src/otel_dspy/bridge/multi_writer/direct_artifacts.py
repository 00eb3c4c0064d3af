"""Artifacts that are written at once: a delivery is acknowledged when they are stored, other writers look for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.requests.error_classification import ArtifactStoreError

if TYPE_CHECKING:
    from otel_dspy.mlflow.tracking.requests.retry import Retrier
    from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactContent
    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
    from otel_dspy.mlflow.tracking.store.store_reader import StoreReader


class DirectArtifacts:
    """Artifacts of one experiment. Fails fast after a failure: clients of object stores may take minutes to fail.

    Nothing is queued, so that the part of `PendingArtifacts` has no effect.
    """

    def __init__(self, connection: Connection, retrier: Retrier) -> None:
        self._connection = connection
        self._retrier = retrier
        self.waiting = 0
        self.failing_since = None
        self.retries = 0

    def begin(self) -> None:
        """Do nothing."""

    def send(self) -> None:
        """Do nothing."""

    def give_up(self) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Fail if the artifact store has failed since the last delivery.

        Raises:
            ArtifactStoreError: it has.
        """
        if self._retrier.artifacts_failed:
            raise ArtifactStoreError("the artifact store has failed during this delivery")

    def write(self, uri: str, path: str, content: ArtifactContent) -> None:
        """Write an artifact.

        Args:
            uri: artifact URI of the run or model, or artifact location of the experiment.
            path: path below it.
            content: the text, or the files of a folder.

        Raises:
            ArtifactStoreError: the artifact store rejects it or has failed.
        """
        self.check()
        self._connection.store().artifacts.write(uri, path, content)

    def reader(self) -> StoreReader:
        """Return the reader of artifacts.

        Raises:
            ArtifactStoreError: the artifact store has failed.
        """
        self.check()
        return self._connection.reader()
