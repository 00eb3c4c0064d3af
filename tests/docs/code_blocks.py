"""The fenced code blocks of the documentation, and how each is covered.

A comment on the line above a block, in the Markdown source, describes what is special about it:

- `<!-- continues -->`: the block goes on where the one before it in the same language ended;
- `<!-- covered-by: tests/path/test_file.py::test_name -->`: that test reads the block and runs it, or builds its command
  or environment from it (`covered_blocks`); only addresses, ports and the like are the test's own;
- `<!-- not-run: the reason; see tests/path/test_file.py::test_name -->`: nothing runs the block itself. The test shows the
  same by other means; it may be left out.
"""

from __future__ import annotations

import re
import shlex
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
"""Languages of drawings and output, which are not run."""
_CONTINUES: Final = re.compile(r"<!--\s*continues\s*-->")
_COVERED_BY: Final = re.compile(r"<!--\s*covered-by:\s*(?P<path>[^\s:]+)::(?P<test>\w+)\s*-->")
_NOT_RUN: Final = re.compile(r"<!--\s*not-run:\s*(?P<reason>[^;]+?)(;\s*see\s+(?P<path>[^\s:]+)::(?P<test>\w+))?\s*-->")
_READERS: Final = ("covered_blocks", "install_lines")
"""Functions by which a test gets at the blocks that it covers."""


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
    """File and name of the test that runs the block."""
    not_run: str | None = None
    """Why nothing runs the block."""
    seen_in: tuple[str, str] | None = None
    """File and name of the test that shows the same as a block that is not run."""

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
        covered, not_run = _COVERED_BY.search(above), _NOT_RUN.search(above)
        found.append(
            Block(
                path=path,
                line=start + 1,
                language=token.info.split(" ")[0] if token.info else "",
                text=token.content,
                continues=_CONTINUES.search(above) is not None,
                covered_by=(covered["path"], covered["test"]) if covered else None,
                not_run=not_run["reason"] if not_run else None,
                seen_in=(not_run["path"], not_run["test"]) if not_run and not_run["path"] else None,
            )
        )
    return found


def programs(path: Path) -> list[Block]:
    """What there is to run in a document: its runnable blocks, each joined with those that continue it."""
    joined: list[Block] = []
    for block in blocks(path):
        if block.language not in RUN or block.covered_by is not None or block.not_run is not None:
            continue
        before = next((i for i in reversed(range(len(joined))) if joined[i].language == block.language), None)
        if block.continues and before is not None:
            first = joined[before]
            joined[before] = Block(path, first.line, first.language, f"{first.text}\n{block.text}")
        else:
            joined.append(block)
    return joined


def covered_blocks(test: str) -> list[Block]:
    """The blocks that name this test as the one that runs them, in the order of the documents; at least one."""
    found = [
        block for path in documents() for block in blocks(path) if block.covered_by and block.covered_by[1] == test
    ]
    assert found, f"no block names {test}"
    return found


def exported(block: Block) -> dict[str, str]:
    """The environment variables that a block of shell commands exports."""
    words = [word for line in block.text.splitlines() if line.startswith("export ") for word in shlex.split(line)[1:]]
    return dict(word.split("=", 1) for word in words)


def uncovered(path: Path) -> Iterator[str]:
    """Report each block that is not run, parsed or covered, and each declaration without a block."""
    for block in blocks(path):
        if (named := block.covered_by or block.seen_in) is not None:
            file, test = named
            source = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).is_file() else ""
            if f"def {test}(" not in source:
                yield f"{block.place}: there is no test {file}::{test}"
            elif block.covered_by is not None and not any(word in source for word in (*_READERS, block.path.name)):
                yield f"{block.place}: {file} does not read the block: build it from the block, or say not-run and why"
        elif block.not_run is not None:
            continue
        elif block.language not in RUN | DATA | INERT:
            yield f"{block.place}: nobody runs a block in {block.language or 'no language'!r}: say how it is covered"
