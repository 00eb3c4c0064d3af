"""The errors of this package."""

from __future__ import annotations


class RerunError(Exception):
    """The record lacks what is needed; the message gives the reason and what to do."""
