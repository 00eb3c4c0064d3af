"""Folder of a queue: its default, its permissions, and the id of the process that uses it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.durable_queue.queue_error import QueueError
from otel_dspy.mlflow.delivery.spool_folder import state_folder

if TYPE_CHECKING:
    from pathlib import Path

DATABASE: Final = "queue.db"
_OWNER: Final = "bridge.pid"


def default_folder(*ports: int | None) -> Path:
    """Return the default folder of a bridge: one for each combination of ports, so that a host may run several.

    Args:
        ports: of OTLP/gRPC and OTLP/HTTP; None for one that is disabled.
    """
    return state_folder() / "bridge" / "-".join("off" if port is None else str(port) for port in ports)


def database_file(folder: Path) -> Path:
    """Create the folder (mode 0700) and an empty database file (0600) where they are missing; return the file.

    Raises:
        QueueError: the folder cannot be created or written.
    """
    path = folder / DATABASE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its other files the mode of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise QueueError(
            f"--queue: {folder} cannot be written: {error.strerror}; choose another folder, or `--queue none` "
            "to acknowledge requests only when MLflow has stored them"
        ) from error
    return path


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return what identifies the file at a path, whatever its name; None if there is no file.

    Raises:
        OSError: the path cannot be read.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def note_owner(folder: Path) -> None:
    """Note the id of this process, for the error message of a second one."""
    with suppress(OSError):
        descriptor = os.open(folder / _OWNER, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")


def owner(folder: Path) -> str:
    """Return the id of the process that noted itself last; `unknown` if there is none."""
    try:
        return (folder / _OWNER).read_text(encoding="ascii").strip() or "unknown"
    except (OSError, UnicodeDecodeError):
        return "unknown"
