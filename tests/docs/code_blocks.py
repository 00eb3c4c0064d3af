"""The fenced code blocks of the documentation, and how each is covered.

A comment on the line above a block, in the Markdown source, says what is special about it:

- `<!-- continues -->`: the block goes on where the one before it in the same language ended;
- `<!-- covered-by: tests/path/test_file.py::test_name -->`: that test does what the block shows. For what cannot run as
  it stands, such as a command that starts a server and does not end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
RUN: Final = frozenset({"python", "bash"})
"""Languages whose blocks are run."""
DATA: Final = frozenset({"json", "yaml", "toml"})
"""Languages whose blocks are parsed."""
INERT: Final = frozenset({"text", "mermaid"})
"""Languages of drawings and output: nobody types them in."""
_CONTINUES: Final = re.compile(r"<!--\s*continues\s*-->")
_COVERED_BY: Final = re.compile(r"<!--\s*covered-by:\s*(?P<path>[^\s:]+)::(?P<test>\w+)\s*-->")


@dataclass(frozen=True)
class Block:
    """A code block of a document."""

    path: Path
    line: int
    """Line of the opening fence, from 1."""
    language: str
    """First word after the fence; empty for a bare fence or an indented block."""
    text: str
    continues: bool = False
    covered_by: tuple[str, str] | None = None
    """File and name of the test that stands for the block."""

    @property
    def place(self) -> str:
        """Where the block stands, as `README.md:12`."""
        name = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path.name
        return f"{name}:{self.line}"


def documents() -> list[Path]:
    """The documentation: README.md, CHANGELOG.md and everything under docs/."""
    files = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in files if path.is_file()]


def blocks(path: Path) -> list[Block]:
    """Every code block of a Markdown file, in order."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    found: list[Block] = []
    for token in MarkdownIt("commonmark").parse(text):
        if token.type not in {"fence", "code_block"} or token.map is None:
            continue
        start = token.map[0]
        above = next((line for line in reversed(lines[:start]) if line.strip()), "")
        covered = _COVERED_BY.search(above)
        found.append(
            Block(
                path=path,
                line=start + 1,
                language=token.info.split(" ")[0] if token.info else "",
                text=token.content,
                continues=_CONTINUES.search(above) is not None,
                covered_by=(covered["path"], covered["test"]) if covered else None,
            )
        )
    return found


def programs(path: Path) -> list[Block]:
    """What there is to run in a document: its runnable blocks, each joined with those that continue it."""
    joined: list[Block] = []
    for block in blocks(path):
        if block.language not in RUN or block.covered_by is not None:
            continue
        before = next((i for i in reversed(range(len(joined))) if joined[i].language == block.language), None)
        if block.continues and before is not None:
            first = joined[before]
            joined[before] = Block(path, first.line, first.language, f"{first.text}\n{block.text}")
        else:
            joined.append(block)
    return joined


def uncovered(path: Path) -> Iterator[str]:
    """Tell of each block that nothing runs, parses or stands for, and of each declaration that stands for nothing."""
    for block in blocks(path):
        if block.covered_by is not None:
            file, test = block.covered_by
            if not (ROOT / file).is_file() or f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8"):
                yield f"{block.place}: there is no test {file}::{test}"
        elif block.language not in RUN | DATA | INERT:
            yield f"{block.place}: nobody runs a block in {block.language or 'no language'!r}: say how it is covered"
