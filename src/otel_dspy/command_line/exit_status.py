"""Exit statuses that several commands share."""

from __future__ import annotations

from typing import Final

INTERRUPTED: Final = 130
"""After Ctrl-C: 128 + SIGINT."""
