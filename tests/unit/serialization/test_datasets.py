from __future__ import annotations

from typing import Any, NoReturn

import dspy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_dspy.serialization.datasets import ExampleRegistry, field_names, fields

VALUES = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5)
ROWS = st.dictionaries(st.sampled_from(["question", "answer", "lm", "metadata", "items"]), VALUES)


class HostileRecord:
    """Looks like a record and cannot be read."""

    def items(self) -> NoReturn:
        """Raise."""
        raise RuntimeError

    def __getattr__(self, name: str) -> NoReturn:
        """Raise."""
        raise RuntimeError(name)


@pytest.mark.parametrize(
    ("record", "row"),
    [
        (dspy.Example(q="?", tags=["a", "b"]), {"q": "?", "tags": ["a", "b"]}),
        (dspy.Example(q="?", dspy_uuid="internal"), {"q": "?"}),
        (dspy.Prediction(answer="4"), {"answer": "4"}),
        ({"q": "?", 1: "one"}, {"q": "?", "1": "one"}),
        (dspy.Example(items="a field's name", vector=np.arange(2)), {"items": "a field's name", "vector": [0, 1]}),
        ("text", {"value": "text"}),
        (None, {"value": None}),
        (dspy.Example(f=len, nan=float("nan")), {"f": None, "nan": None}),
    ],
)
def test_fields_of_a_record(record: object, row: dict[str, Any]) -> None:
    """Every record gives its fields as data; what is no data is null, and nothing is raised."""
    assert fields(record) == row


def test_a_record_that_cannot_be_read_is_null() -> None:
    """What a record raises when it is looked at stays inside."""
    assert fields(HostileRecord()) == {"value": None}
    assert fields(dspy.Example(good=1, bad=HostileRecord())) == {"good": 1, "bad": None}


def test_split_by_with_inputs() -> None:
    """Inputs are those that `with_inputs` names; without it all fields are labels."""
    registry = ExampleRegistry()
    example = dspy.Example(q="?", a=["list"])
    assert registry.split(example.with_inputs("q")) == ({"q": "?"}, {"a": ["list"]})
    assert registry.split(example) == ({}, {"q": "?", "a": ["list"]})
    assert registry.split({"q": "?"}) == ({}, {"q": "?"})
    assert registry.input_names([example, example.with_inputs("q"), {"q": "?"}]) == ["q"]
    assert registry.input_names([example]) == []
    assert registry.split(HostileRecord()) == ({}, {"value": None})


def test_field_names_in_order_of_appearance() -> None:
    """A field that only a later row has comes after those before it."""
    assert field_names([{"b": 1, "a": 1}, {"c": 1, "a": 1}]) == ["b", "a", "c"]


@given(ROWS, ROWS)
def test_examples_are_known_by_their_content(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Two examples have one id exactly if their fields are equal; order and input marks don't count."""
    registry = ExampleRegistry()
    turned = dspy.Example(dict(reversed(first.items()))).with_inputs(*list(first)[:1])
    assert registry.example_id(dspy.Example(first)) == registry.example_id(turned)
    same = fields(dspy.Example(first)) == fields(dspy.Example(second))
    assert (registry.example_id(dspy.Example(first)) == registry.example_id(dspy.Example(second))) == same


@given(st.lists(ROWS, max_size=4))
def test_a_dataset_is_known_by_its_examples_in_order(rows: list[dict[str, Any]]) -> None:
    """The id is that of the sequence: the same in another registry, another one for another order."""
    first = ExampleRegistry().dataset_id([dspy.Example(row) for row in rows])
    assert first == ExampleRegistry().dataset_id([dspy.Example(row) for row in rows])
    turned = ExampleRegistry().dataset_id([dspy.Example(row) for row in reversed(rows)])
    assert (first == turned) == (rows == rows[::-1])


def test_the_registry_works_each_object_out_once_and_keeps_it() -> None:
    """The first look counts, and an id of memory is never taken for another example's."""
    registry = ExampleRegistry()
    example = dspy.Example(q="before")
    known = registry.example_id(example)
    example["q"] = "after"
    assert (registry.example_id(example), registry.row(example)) == (known, {"q": "before"})
    assert registry.split(example) == ({}, {"q": "before"})
    ids = {registry.example_id(dspy.Example(number=number)) for number in range(200)}
    assert len(ids) == 200


def test_large_arrays_differ_where_their_short_form_does_not() -> None:
    """An id is made of all of an array, not of numpy's abbreviated text."""
    registry = ExampleRegistry()
    first = np.zeros(5000)
    second = first.copy()
    second[2500] = 1
    assert str(first) == str(second)
    assert registry.example_id(dspy.Example(v=first)) != registry.example_id(dspy.Example(v=second))
