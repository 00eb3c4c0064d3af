"""Error of the queue on disk."""

from __future__ import annotations


class QueueError(OSError):
    """The queue cannot be opened or written; the message names its folder and the reason."""
