"""JSON artifacts of a run."""

from __future__ import annotations

import json
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from otel_dspy.mlflow.tracking.store import capabilities


class RunArtifacts:
    """JSON artifacts of one run. Folders are listed once; files that do not exist cost no request.

    Args:
        tracking_uri: the store.
        artifact_uri: where the run's artifacts are; None: none are read.
    """

    def __init__(self, tracking_uri: str, artifact_uri: str | None) -> None:
        self._tracking_uri = tracking_uri
        self._artifact_uri = artifact_uri
        self._listed: dict[str, set[str]] = {}

    def json(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the parsed artifact; None if it does not exist or is not JSON."""
        if path not in self._paths(path.rpartition("/")[0]):
            return None
        with tempfile.TemporaryDirectory(prefix="otel-dspy-") as folder:
            file = Path(folder, "artifact")
            # Defined by every repository. `download_artifacts` calls it on a pool thread, without this thread's
            # workspace and HTTP policy, and draws a progress bar.
            self._repository._download_file(path, str(file))  # noqa: SLF001 - the repository plugins' interface
            try:
                return json.loads(file.read_text(encoding="utf-8"))
            except (RecursionError, ValueError):
                return None

    def _paths(self, folder: str) -> set[str]:
        if self._artifact_uri is None:
            return set()
        if folder not in self._listed:
            found = self._repository.list_artifacts(folder or None)
            self._listed[folder] = {str(file.path) for file in found}
        return self._listed[folder]

    @cached_property
    def _repository(self) -> Any:  # noqa: ANN401 - MLflow's ArtifactRepository, which it types in part
        return capabilities.artifact_repository(self._artifact_uri or "", self._tracking_uri)
