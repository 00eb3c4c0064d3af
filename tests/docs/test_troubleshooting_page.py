"""docs/troubleshooting.md: the messages that its tables quote exist in the source."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import otel_dspy
from tests.docs.code_blocks import ROOT

PAGE: Final = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
_CODE: Final = re.compile(r"(?<!`)(`+)(?P<text>.+?)\1(?!`)")
_MARK: Final = re.compile(r"(ok|--|!!|XX) [a-z]+$")
"""Level and subject of a finding of `otel-dspy doctor`."""


@cache
def _texts() -> list[str]:
    """String literals of the package, those parts of f-strings included that are literal."""
    return [
        node.value
        for path in Path(otel_dspy.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def quoted() -> list[str]:
    """Messages in the second column: code of several words. An ellipsis stands for what varies."""
    cells = [line.split(" | ")[1] for line in PAGE.splitlines() if line.startswith("| ")]
    codes = [match["text"].strip() for cell in cells for match in _CODE.finditer(cell)]
    return [part.strip() for code in codes if " " in code and not _MARK.match(code) for part in code.split("…")]


def test_messages_are_quoted() -> None:
    """The page is read as its tables are laid out."""
    assert len(quoted()) >= 20


@pytest.mark.parametrize("message", quoted())
def test_a_quoted_message_exists(message: str) -> None:
    """It is a part of a literal of the source."""
    assert any(message in text for text in _texts())
