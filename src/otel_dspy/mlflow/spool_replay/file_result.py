"""Result of replaying a spool file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class FileResult:
    """Result of replaying one file.

    Attributes:
        path: the file.
        spans: number of spans that were accepted.
        damaged: (line number, error) of each line that could not be parsed.
        ended: whether its last line is the end marker.
        trouble: the reason why it was not (completely) written; None if all parsed lines were.
        outage: the reason why it and all files after it were not (completely) written.
    """

    path: Path
    spans: int = 0
    damaged: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    ended: bool = False
    trouble: str | None = None
    outage: str | None = None

    @property
    def whole(self) -> bool:
        """Whether MLflow has stored the whole file, except for a last line that was cut off by a crash."""
        return self.reason is None and not self.damaged

    @property
    def reason(self) -> str | None:
        """The trouble or the outage; None without either."""
        return self.trouble or self.outage
