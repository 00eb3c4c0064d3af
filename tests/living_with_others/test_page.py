"""The page's table names what is tested, and its line is what is logged."""

from __future__ import annotations

import re

from benchmarks.environments import ROOT
from tests.living_with_others.others import INSTRUMENTORS, MLFLOW

PAGE = (ROOT / "docs" / "living-with-others.md").read_text(encoding="utf-8")


def test_the_table_has_a_row_for_each_other_that_is_tested() -> None:
    """No more and no fewer, in the same order."""
    assert re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE) == [*INSTRUMENTORS, *MLFLOW]


def test_the_line_is_the_one_that_is_logged() -> None:
    """The test of the official instrumentation holds the same text."""
    (line,) = re.findall(r"```text\n(.+)\n```", PAGE)
    tests = (ROOT / "tests" / "living_with_others" / "test_others.py").read_text(encoding="utf-8")
    assert re.sub(r'"\s*\n\s*"', "", tests).count(line) == 1


def test_spans_below_a_chat_are_in_its_row() -> None:
    """Each span that stands in a `chat` is in its row."""
    from tests.living_with_others.test_others import BELOW  # noqa: PLC0415 - its markers are its own

    for other, spans in BELOW.items():
        (row,) = re.findall(rf"^\| `{other}` \|.*$", PAGE, re.MULTILINE)
        assert f"`{spans[0][0].partition(' ')[0]}`" in row
