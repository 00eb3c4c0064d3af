"""What a reader sees on the report's page, parsed without a browser: headline, figures, tables and texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from typing_extensions import override

_VOID = frozenset({"area", "br", "circle", "img", "input", "link", "meta", "path", "rect", "wbr"})


@dataclass
class ReportPage(HTMLParser):
    """The page; whitespace in texts is single spaces, except in preformatted ones."""

    html: str
    headline: str = ""
    figures: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])
    """Of each box below the headline, by its title: the figure, and the text below it."""
    tables: dict[str, list[dict[str, str]]] = field(default_factory=dict[str, "list[dict[str, str]]"])
    """Rows by column, by the name of the region around a table, else by the id of its section."""
    texts: dict[str, str] = field(default_factory=dict[str, str])
    """Text of each section, by its id; `verdict` is the head of the page."""

    def __post_init__(self) -> None:
        """Parse the page."""
        super().__init__()
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._text: list[str] = []
        self._cells: list[str] = []
        self._columns: list[str] = []
        self._box: list[str] = []
        self.feed(self.html)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._text.append(" ")
        if tag in _VOID:
            return
        self._open.append((tag, dict(attrs)))
        if tag in {"h1", "td", "th", "b", "li"}:
            self._text = []
        elif tag == "tr":
            self._cells = []
        elif tag == "table":
            self._columns = []
        if tag == "li":
            self._box = []

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        while self._open.pop()[0] != tag:
            pass
        found = " ".join("".join(self._text).split())
        if tag == "h1":
            self.headline = found
        elif tag in {"td", "th"}:
            self._cells.append(found)
        elif tag == "tr":
            self._row()
        elif self._is_inside("ul", "class", "figures"):
            if tag == "b" or (tag == "span" and self._open[-1][0] == "li"):
                self._box.append(found)
                self._text = []
            elif tag == "li":
                title, *rest = self._box
                self.figures[title] = rest

    @override
    def handle_data(self, data: str) -> None:
        self._text.append(data)
        for tag, attributes in self._open:
            name = attributes.get("aria-labelledby") if tag == "section" else attributes.get("id")
            if tag in {"section", "header"} and name:
                self.texts[name] = self.texts.get(name, "") + data

    def _row(self) -> None:
        if any(tag == "thead" for tag, _ in self._open):
            self._columns = self._cells
            self.tables[self._table_name()] = []
        elif self._columns:
            # Cells without a column, as in a table of parameters, are left out.
            self.tables.setdefault(self._table_name(), []).append(dict(zip(self._columns, self._cells, strict=False)))

    def _table_name(self) -> str:
        regions = [found for _, found in self._open if found.get("role") == "region"]
        sections = [found["aria-labelledby"] for tag, found in self._open if tag == "section"]
        return str(regions[-1]["aria-label"] if regions else sections[-1])

    def _is_inside(self, tag: str, name: str, value: str) -> bool:
        return any(one == tag and found.get(name) == value for one, found in self._open)
