"""What became of a spool file that was replayed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class FileResult:
    """What became of one file.

    Attributes:
        path: the file.
        spans: how many of its spans were taken.
        damaged: (line number, what is wrong with it) of each line that could not be read.
        ended: whether its last line says that the process closed it.
        trouble: why it was not (wholly) written, in words; None if all of its readable lines were.
    """

    path: Path
    spans: int = 0
    damaged: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    ended: bool = False
    trouble: str | None = None

    @property
    def whole(self) -> bool:
        """Whether MLflow has all that stands in it, but for a last line that a crash has cut."""
        return self.trouble is None and not self.damaged
