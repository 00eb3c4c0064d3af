"""Lists, mappings and objects that a value reaches by many paths: one for each level are exponentially many."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import dspy
import numpy as np
import pytest

from otel_dspy.serialization.datasets import ExampleRegistry
from otel_dspy.serialization.plain_data import bounded, plain

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = 20
MOST = 10_000
GRAPHS: dict[str, Callable[[Any], Any]] = {
    "lists": lambda below: [below, below],
    "mappings": lambda below: {"a": below, "b": below},
    "both": lambda below: (below, {"of": below}),
    "examples": lambda below: dspy.Example(a=below, b=below),
    "objects": lambda below: [SimpleNamespace(of=below), below],
    "arrays": lambda below: np.array([below, None, below], dtype=object),
}
"""How a level contains the next one twice."""


def _shared(level: Callable[[Any], Any]) -> Any:
    value: Any = ["leaf"]
    for _ in range(LEVELS):
        value = level(value)
    return value


def _number_of_containers(value: object) -> int:
    found, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list | dict):
            found += 1
            items = cast("dict[str, object] | list[object]", one)
            waiting += items.values() if isinstance(items, dict) else items
    return found


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("convert", [plain, bounded])
def test_levels_that_contain_the_next_one_twice(graph: str, convert: Callable[[object], object]) -> None:
    """Two to the power of 20 paths, a million: some ten thousand are followed, and of each object of the graph as many."""
    # Not in the assertion: if it failed, pytest would write the value out.
    count = _number_of_containers(convert(_shared(GRAPHS[graph])))
    assert 100 < count < 100 * MOST


def test_lists_within_an_object() -> None:
    """An attribute of a user's object, which is serialized by its attributes."""
    value = SimpleNamespace(name="n", inner=_shared(GRAPHS["lists"]))
    converted: Any = plain(value)
    name, count = converted["name"], _number_of_containers(converted)
    assert name == "n"
    assert 100 < count < 3 * MOST


def test_what_is_left_out() -> None:
    """The type and length of a list or mapping, as of one that is too long."""
    shared = ["x"]
    converted: Any = plain([shared] * 3 * MOST)
    assert converted[0] == converted[2 * MOST - 1] == ["x"]
    assert converted[-1] == {"type": "list", "length": 1}


def test_an_example_whose_field_is_such_a_list() -> None:
    """Its row, digest and inputs are made; equal examples have the same id."""
    examples = [dspy.Example(question="q", options=_shared(GRAPHS["lists"])) for _ in range(2)]
    registry = ExampleRegistry()
    question, ids = registry.row(examples[0])["question"], {registry.example_id(example) for example in examples}
    assert question == "q"
    assert len(ids) == 1


def test_values_without_shared_parts_are_not_cut() -> None:
    """However many lists, mappings, arrays and objects they have."""
    count = MOST + 1000
    rows = [{"index": index, "tags": ["a"]} for index in range(count)]
    assert plain(rows) == rows
    assert plain([np.array([index]) for index in range(count)]) == [[index] for index in range(count)]
    assert plain([SimpleNamespace(index=index, tags=[index]) for index in range(count)]) == [
        {"index": index, "tags": [index]} for index in range(count)
    ]
    assert plain(SimpleNamespace(rows=rows)) == {"rows": rows}


def test_few_shared_parts_are_not_cut() -> None:
    """A list that is used in thousands of places is complete in each."""
    shared = ["a", {"b": 1}]
    assert plain([shared] * 4000) == [["a", {"b": 1}]] * 4000
