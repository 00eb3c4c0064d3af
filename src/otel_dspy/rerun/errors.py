"""Errors of reruns and of replayed calls."""

from __future__ import annotations


class RerunError(Exception):
    """The record lacks what is needed; the message gives the reason and what to do."""


class UnknownCallError(RerunError):
    """A language model call is not in the record; the message names what differs from the nearest one."""


class RecordedCallError(RerunError):
    """The recorded call failed; the message has its exception's type and message."""
