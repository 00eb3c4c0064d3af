"""docs/surprises.md: every row names the versions it was seen in and tests that exist."""

from __future__ import annotations

import re
from typing import Final

import pytest

from tests.docs.code_blocks import ROOT

PAGE: Final = (ROOT / "docs" / "surprises.md").read_text(encoding="utf-8")
HEADER: Final = "| Behavior | Library and version | What otel-dspy does about it | Test |"
_TEST: Final = re.compile(r"`(?P<path>tests/[^`:]+\.py)::(?P<name>\w+)`")
_CELL: Final = re.compile(r"(?<!\\)\|")


def rows() -> list[list[str]]:
    """The cells of each row of the page's table; a bar inside a cell has a backslash before it."""
    table = PAGE.partition(f"{HEADER}\n|---|---|---|---|\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in _CELL.split(line)[1:-1]] for line in table.splitlines()]


def test_there_is_one_table() -> None:
    """All rows stand below the header: an appended row after a blank line would not be part of the table."""
    assert len(rows()) == PAGE.count("\n| ") - 1
    assert rows()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_each_row_names_versions_and_tests(row: list[str]) -> None:
    """Four cells, a version in the second, and in the last one nothing but tests that exist."""
    assert len(row) == 4
    assert all(row)
    assert re.search(r"\d+\.\d+", row[1])
    named = list(_TEST.finditer(row[3]))
    assert named
    assert not _TEST.sub("", row[3]).replace(",", "").strip()
    for test in named:
        source = ROOT / test["path"]
        assert source.is_file(), test["path"]
        assert re.search(rf"^(async )?def {test['name']}\(", source.read_text(encoding="utf-8"), re.MULTILINE), test[0]
