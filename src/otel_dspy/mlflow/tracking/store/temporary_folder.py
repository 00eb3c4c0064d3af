"""Folder for the files of an artifact between memory and its store."""

from __future__ import annotations

import tempfile


class NoTemporaryFolderError(OSError):
    """No folder for temporary files can be written, as in a container with a read-only file system."""


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Create a folder that is deleted at the end of the `with` block.

    Raises:
        NoTemporaryFolderError: there is no place for it.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise NoTemporaryFolderError(error.errno, error.strerror) from error
    return tempfile.TemporaryDirectory(prefix="otel-dspy-")
