"""Parsing of JSON texts of unknown origin."""

from __future__ import annotations

import pytest

from otel_dspy.serialization.json_text import MAX_NESTING, nesting, parse_json


@pytest.mark.parametrize(
    ("text", "value"), [('{"a": [1, null]}', {"a": [1, None]}), ('"["', "["), ("[[[1]]]", [[[1]]]), ("7", 7)]
)
def test_json_is_parsed(text: str, value: object) -> None:
    """The value of a valid text."""
    assert parse_json(text, "default") == value


@pytest.mark.parametrize("text", ["", "{", "[1,]", "not JSON", "[" * 100_000, "[" * 1_000 + "]" * 1_000])
def test_other_text_is_the_default(text: str) -> None:
    """Invalid and too deeply nested texts, without an exception."""
    assert parse_json(text, "default") == "default"
    assert parse_json(text) is None


def test_the_limit() -> None:
    """A text of `MAX_NESTING` levels is parsed, one more is not; brackets in strings and siblings do not count."""
    assert parse_json("[" * MAX_NESTING + "]" * MAX_NESTING) is not None
    assert parse_json("[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1)) is None
    assert parse_json("[" + ",".join(["[]"] * 1_000) + "]") == [[]] * 1_000
    assert parse_json('["' + '\\"[' * 1_000 + '"]') == ['"[' * 1_000]


def test_nesting_above_the_limit_is_exact() -> None:
    """Levels are counted outside of strings, with objects and arrays alike."""
    assert nesting('{"[": [' * 150 + "]}" * 150) == 300
