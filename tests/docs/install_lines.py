"""The `pip install` commands of the documentation that install otel-dspy, each with what its block goes on with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tests.docs.code_blocks import blocks, documents

_OWN: Final = re.compile(r"pip install .*'otel-dspy\[(?P<extras>[\w,]+)\]'")


@dataclass(frozen=True)
class InstallLine:
    """One command."""

    place: str
    command: str
    extras: frozenset[str]
    rest: str
    """The lines that follow it in its block."""


def install_lines() -> list[InstallLine]:
    """All of them, in the order of the documents."""
    found: list[InstallLine] = []
    for block in (block for path in documents() for block in blocks(path) if block.language == "bash"):
        lines = block.text.splitlines()
        for number, line in enumerate(lines):
            own = _OWN.match(line)
            if own is not None:
                extras = frozenset(own["extras"].split(","))
                found.append(InstallLine(block.place, line, extras, "\n".join(lines[number + 1 :])))
    return found
