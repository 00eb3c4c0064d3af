"""Findings of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LONGEST_REASON: Final = 300
"""Maximum characters of an error's message in a finding."""


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    NOTE = "note"
    """Information."""
    WARNING = "warning"
    """Data will be missing, or may be sent to an unintended destination."""
    PROBLEM = "problem"
    """The configuration does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a check.

    Attributes:
        subject: short name of what was checked.
        level: severity.
        text: the result and, unless it is OK, what to do; without passwords.
    """

    subject: str
    level: Level
    text: str
