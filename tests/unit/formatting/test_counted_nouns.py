"""Nouns agree with their numbers."""

from __future__ import annotations

import pytest

from otel_dspy.formatting.counted_nouns import counted


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 more lines"), (1, "1 more line"), (2, "2 more lines"), (1_200, "1,200 more lines")]
)
def test_the_noun_agrees_with_the_number(number: int, expected: str) -> None:
    """The singular only for one."""
    assert counted(number, "more line") == expected
