"""Writing of artifacts of runs, models and traces."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

from otel_dspy.mlflow.tracking.requests.error_classification import artifact_access
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.mlflow.tracking.store.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

ArtifactContent: TypeAlias = "str | Mapping[str, bytes]"
"""A text, or the files of a folder by name."""


class ArtifactStore:
    """The artifact stores that a tracking store's runs, models and traces point to."""

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri

    def write(self, artifact_uri: str, path: str, content: ArtifactContent) -> None:
        """Write a text, or the files of a folder by name, below the artifact URI.

        Args:
            artifact_uri: the run's or trace's artifact location.
            path: the path below it, of the file or the folder, with forward slashes.
            content: the text, or file name -> bytes.

        Raises:
            ArtifactStoreError: the artifact store rejected it.
        """
        if isinstance(content, str):
            self.write_text(artifact_uri, path, content)
            return
        with artifact_access(), temporary_folder() as local:
            for name, data in content.items():
                Path(local, name).write_bytes(data)
            capabilities.artifact_repository(artifact_uri, self._uri).log_artifacts(local, path)

    def write_text(self, artifact_uri: str, path: str, text: str) -> None:
        """Write a text file below the artifact URI.

        Args:
            artifact_uri: the run's or trace's artifact location.
            path: the file's path below it, with forward slashes.
            text: the file's contents, written as UTF-8.

        Raises:
            ArtifactStoreError: the artifact store rejected it.
        """
        target = PurePosixPath(path)
        folder = str(target.parent) if target.parent.parts else None
        with artifact_access(), temporary_folder() as local:
            file = Path(local, target.name)
            file.write_text(text, encoding="utf-8")
            capabilities.artifact_repository(artifact_uri, self._uri).log_artifact(str(file), folder)
