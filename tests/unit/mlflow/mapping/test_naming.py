"""Names and texts that MLflow's stores accept."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest

from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.records.span_records import Usage


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


def test_usage_by_role_and_model() -> None:
    """Each number that is known, under its name, its role's and its model's; models with one key are summed."""
    used = Usage(
        input_tokens=10,
        output_tokens=20,
        lm_calls=3,
        cache_hits=1,
        cost=0.5,
        unpriced_calls=0,
        embedding_calls=4,
        late_calls=2,
        by_role={"task": Usage(lm_calls=2), "judge?": Usage(cost=0.25)},
        by_model={
            "openai/gpt": Usage(input_tokens=10, cost=0.5),
            "own@1": Usage(lm_calls=1, cost=0.25),
            "own?1": Usage(lm_calls=2),
            "m" * 201: Usage(lm_calls=1),
        },
    )
    assert naming.usage_metrics(used) == {
        "usage/input_tokens": 10.0,
        "usage/output_tokens": 20.0,
        "usage/lm_calls": 3.0,
        "usage/cache_hits": 1.0,
        "usage/cost": 0.5,
        "usage/unpriced_calls": 0.0,
        "usage/embedding_calls": 4.0,
        "usage/late_calls": 2.0,
        "usage/lm_calls/task": 2.0,
        "usage/cost/judge_": 0.25,
        "usage/model/openai/gpt/input_tokens": 10.0,
        "usage/model/openai/gpt/cost": 0.5,
        "usage/model/own_1/lm_calls": 3.0,
        "usage/model/own_1/cost": 0.25,
        f"usage/model/{'m' * 200}/lm_calls": 1.0,
    }
    assert naming.usage_metrics(Usage(lm_calls=0, cache_hits=0)) == {"usage/lm_calls": 0.0}
    assert naming.usage_metrics(Usage()) == {}


def test_measures_and_objectives() -> None:
    """What the optimizer measures is `search/…`; the means of a metric's further scores are beside the score."""
    measured = {"objective/recall": 0.5, "val objective/x": 0.75, "loss": 0.25}
    assert naming.measures(measured) == {
        "score/objective/recall": 0.5, "search/val objective/x": 0.75, "search/loss": 0.25
    }  # fmt: skip
