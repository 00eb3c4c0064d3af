"""The home folder of the process' user."""

from __future__ import annotations

from pathlib import Path


def home_folder() -> Path | None:
    """Return the folder; None if HOME is not set and the user has no entry in `/etc/passwd`, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return None
