"""Files of the shared MLflow server, for what only reads: a request takes 7 to 13 ms of processor time at both ends.

Tests of what the server answers read them through it, see `tests.integration.end_to_end.test_optimization_in_mlflow`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from tests.support.session_processes import described_process

DATABASE: Final = "mlflow.db"
"""Name of its sqlite file."""
_ARTIFACTS: Final = "artifacts"


def server_files(tracking_uri: str) -> Path | None:
    """The folder of the shared server's files; None if this is not its URI, but that of a proxy or of another store."""
    shared = described_process("server")
    return Path(shared["log"]).parent if shared is not None and shared["uri"] == tracking_uri else None


def readable_uri(tracking_uri: str) -> str:
    """The URI to read a store by: that of the file if it is the shared server's, else its own."""
    files = server_files(tracking_uri)
    return tracking_uri if files is None else f"sqlite:///{files / DATABASE}"


def artifact_folder(artifact_uri: str, tracking_uri: str) -> Path | None:
    """The folder of artifacts that can be read without a request: a local one, or one of the shared server."""
    parts = urlsplit(artifact_uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    files = server_files(tracking_uri)
    if files is None or parts.scheme != "mlflow-artifacts":
        return None
    return files / _ARTIFACTS / unquote(parts.path).lstrip("/")
