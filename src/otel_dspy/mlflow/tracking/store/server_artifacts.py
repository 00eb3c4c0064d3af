"""Artifact storage of the MLflow server that this process is a worker of, if it is one.

A tracking server stores artifacts below `--default-artifact-root`, by default `mlflow-artifacts:/`, and proxies these
to `--artifacts-destination`. A client resolves such a URI to the server's address; the server's own process has none,
and writes to the destination.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from mlflow.utils import uri as mlflow_uri

if TYPE_CHECKING:
    from collections.abc import Callable

_PROXIED: Final = "mlflow-artifacts"


@dataclass(slots=True)
class _Storage:
    known: bool = False
    root: str | None = None
    destination: str | None = None


_storage: Final = _Storage()


def use(root: str | None, destination: str | None) -> Callable[[], None]:
    """Set the storage of this process's server; return what undoes that.

    Args:
        root: artifact location of new experiments (`--default-artifact-root`); None for MLflow's own default.
        destination: storage that the server proxies (`--artifacts-destination`); None if it proxies none.
    """
    before = _storage.known, _storage.root, _storage.destination
    _storage.known, _storage.root, _storage.destination = True, root, destination

    def undo() -> None:
        _storage.known, _storage.root, _storage.destination = before

    return undo


def in_server() -> bool:
    """Whether this process is a worker of a server: its tracking URI is not one that clients use."""
    return _storage.known


def root() -> str | None:
    """Return the artifact location of new experiments; None outside a server."""
    return _storage.root


def direct(artifact_uri: str) -> str:
    """Return the URI at which this process reaches an artifact; unchanged outside a server.

    Raises:
        MlflowException: the path of a proxied URI is not safe, as the server rejects it too.
    """
    if _storage.destination is None:
        return artifact_uri
    parts = urlsplit(artifact_uri)
    if parts.scheme != _PROXIED or parts.netloc:
        return artifact_uri
    path = cast("Any", mlflow_uri).validate_path_is_safe(parts.path.lstrip("/"))
    append = cast("Callable[..., str]", cast("Any", mlflow_uri).append_to_uri_path)
    return append(_storage.destination, path)
