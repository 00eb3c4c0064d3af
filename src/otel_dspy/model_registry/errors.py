"""Error of registrations."""

from __future__ import annotations


class RegistryError(Exception):
    """A program cannot be registered; the message gives the reason and what to do."""
