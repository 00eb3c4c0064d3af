"""Booleans in environment variables and flags."""

from __future__ import annotations

import pytest

from otel_dspy.environment.boolean_text import boolean, boolean_variable


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("1", True), ("Yes", True), (" ON ", True), ("false", False), ("0", False), ("no", False), ("Off", False)],
)  # fmt: skip
def test_words(text: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """In any case, with spaces around; a variable takes the same."""
    assert boolean(text) is expected
    assert boolean_variable({"V": text}, "V", default=not expected) is expected


@pytest.mark.parametrize("text", ["", "maybe", "2", "truthy"])
def test_no_boolean(text: str) -> None:
    """The message has the text and what to use; a variable then counts as not set."""
    with pytest.raises(ValueError, match=f"^'{text}' is not a boolean; use true or false$"):
        boolean(text)
    assert [boolean_variable({"V": text}, "V", default=default) for default in (True, False)] == [True, False]


def test_a_variable_that_is_not_set() -> None:
    """The default."""
    assert [boolean_variable({}, "V", default=default) for default in (True, False)] == [True, False]
