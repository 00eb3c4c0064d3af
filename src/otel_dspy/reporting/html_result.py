"""Base class of results that have an HTML page, which is saved to a file or shown in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from html import escape
from pathlib import Path
from typing import ClassVar, Protocol


class _Printer(Protocol):
    """IPython's pretty printer."""

    def text(self, obj: str) -> None: ...


class HtmlResult(ABC):
    """A result with an HTML page."""

    frame_title: ClassVar[str]
    """Title of the page's frame in a notebook, for screen readers."""

    @cached_property
    def html(self) -> str:
        """A self-contained page: it loads nothing and runs no script."""
        return self._page()

    @abstractmethod
    def _page(self) -> str:
        """Return the page."""

    def save(self, path: str | Path) -> Path:
        """Write the page to a file and return its absolute path.

        Raises:
            OSError: The file cannot be written.
        """
        file = Path(path).absolute()
        file.write_text(self.html, encoding="utf-8")
        return file

    def _repr_html_(self) -> str:
        """Return the page in a frame of its own, so that its style does not reach the notebook."""
        return (
            f'<iframe title="{escape(self.frame_title)}" sandbox style="width:100%;height:800px;border:0" '
            f'srcdoc="{escape(self.html)}"></iframe>'
        )

    def _repr_pretty_(self, printer: _Printer, cycle: bool) -> None:  # noqa: FBT001 - IPython's protocol
        """Print the plain text in IPython, and in a notebook that shows no HTML, instead of all data."""
        del cycle
        printer.text(str(self))
