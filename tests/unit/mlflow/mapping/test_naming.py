"""Names and texts that MLflow's stores accept."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest

from otel_dspy.mlflow.mapping import naming


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("lr", "lr"),
        ("über größe", "über größe"),
        ("a-b_c d:e", "a-b_c d:e"),
        ("k=3, n", "k_3_ n"),
        ("a/./b/../c", "a/b/c"),
        ("v1.5", "v1.5"),
        ("", "_"),
        ("/", "_"),
        ("..", "_"),
        (".", "_"),
        ("x" * 251, "x" * 250),
    ],
)
def test_keys(name: str, key: str) -> None:
    """Characters that MLflow rejects are underscores, and a path is in its shortest form, of at most 250 characters."""
    assert naming.key(name) == key


def test_keys_with_a_prefix_of_their_own() -> None:
    """The prefix counts for the length, and for which names are the same."""
    values = {"a": 1, "a?": 2, "a!": 3, "x" * 300: 4, "x" * 301: 5}
    assert naming.keyed(values, "lm.") == {
        "lm.a": 1,
        "lm.a_": 2,
        "lm.a__2": 3,
        "lm." + "x" * 247: 4,
        "lm." + "x" * 245 + "_2": 5,
    }
    many = naming.keyed(dict.fromkeys([f"{'x' * 250}{number}" for number in range(10)], 0))
    assert list(many)[-1] == "x" * 247 + "_10"
    assert {len(name) for name in many} == {250}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        ("[1", "[1"),
        (True, "true"),
        (1.5, "1.5"),
        (["é", 1], '["é", 1]'),
        (PurePosixPath("a/b"), '"a/b"'),
    ],
)
def test_texts(value: Any, text: str) -> None:
    """A string as it is, anything else as JSON, an object of another type by its `str`."""
    assert naming.text(value) == text
    assert naming.tags({"name?": value}) == {"name_": text}


def test_long_values_are_cut() -> None:
    """To what MLflow's stores accept: a longer value would be rejected with its whole batch."""
    assert naming.params({"p": "v" * 6001, "q": "w" * 6000}, "lm.") == {"lm.p": "v" * 6000, "lm.q": "w" * 6000}
    assert naming.tags({"t": "v" * 8001, "u": "w" * 8000, "v": None}) == {"t": "v" * 8000, "u": "w" * 8000}
