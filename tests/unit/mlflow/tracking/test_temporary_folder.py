"""Artifacts where no folder for temporary files can be written."""

from __future__ import annotations

import errno
import tempfile
from typing import TYPE_CHECKING, NoReturn

import pytest

from otel_dspy.mlflow.tracking.artifact_queue.store_state import QueuedStore
from otel_dspy.mlflow.tracking.requests.error_classification import ArtifactStoreError, ErrorClass, classify
from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactStore

if TYPE_CHECKING:
    from pathlib import Path


def _none() -> NoReturn:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")


def test_the_message_names_the_variable_and_not_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A container with a read-only file system: the location, which can be written, was named as the cause."""
    monkeypatch.setattr(tempfile, "gettempdir", _none)
    with pytest.raises(ArtifactStoreError) as raised:
        ArtifactStore(f"sqlite:///{tmp_path}/mlflow.db").write(tmp_path.as_uri(), "table.json", "{}")
    found = classify(raised.value)
    assert found is ErrorClass.UNWRITABLE
    QueuedStore(tmp_path.as_uri()).report_failure(found, raised.value)
    assert "Artifacts cannot be written without a folder for temporary files; they stay in the spool" in caplog.text
    assert "Set TMPDIR to a folder that can be written" in caplog.text
    assert "--artifacts-destination" not in caplog.text
