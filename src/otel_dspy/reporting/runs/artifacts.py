"""JSON artifacts of a run."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Generator

    from mlflow import MlflowClient

_PROGRESS_BARS: Final = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


@contextmanager
def without_progress_bars() -> Generator[None]:
    """Keep MLflow from drawing a progress bar for each downloaded file, while the block runs."""
    before = os.environ.get(_PROGRESS_BARS)
    os.environ[_PROGRESS_BARS] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PROGRESS_BARS]
        else:
            os.environ[_PROGRESS_BARS] = before


class RunArtifacts:
    """JSON artifacts of one run. Folders are listed once; files that do not exist cost no request."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self._run_id = run_id
        self._listed: dict[str, set[str]] = {}

    def json(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the parsed artifact; None if it does not exist or is not JSON."""
        if path not in self._paths(path.rpartition("/")[0]):
            return None
        with tempfile.TemporaryDirectory(prefix="otel-dspy-") as folder:
            file = Path(self._client.download_artifacts(self._run_id, path, folder))
            try:
                return json.loads(file.read_text(encoding="utf-8"))
            except ValueError:
                return None

    def _paths(self, folder: str) -> set[str]:
        if folder not in self._listed:
            found = cast("Any", self._client).list_artifacts(self._run_id, folder or None)
            self._listed[folder] = {str(file.path) for file in found}
        return self._listed[folder]
