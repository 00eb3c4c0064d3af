"""Error of objects that the command line names."""

from __future__ import annotations


class UserCodeError(Exception):
    """A program or a metric of the user's code cannot be loaded; the message gives the reason, without secrets."""
