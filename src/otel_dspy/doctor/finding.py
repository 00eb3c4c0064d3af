"""One thing that the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    """Good to know."""
    WARNING = "warning"
    """Something will be missing, or go where it may not be meant to."""
    PROBLEM = "problem"
    """It does not work as it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found.

    Attributes:
        subject: a word for what was looked at.
        level: how much it matters.
        text: what it is and, where it is not ok, what to do; without passwords.
    """

    subject: str
    level: Level
    text: str
