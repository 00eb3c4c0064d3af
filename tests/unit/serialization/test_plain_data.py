from __future__ import annotations

import json
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn
from unittest.mock import AsyncMock, MagicMock, Mock, NonCallableMagicMock

import dspy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_dspy.serialization.plain_data import bounded, captured, converted, plain, well_formed

if TYPE_CHECKING:
    from collections.abc import Iterator


class Hostile:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> object:
        """Raise."""
        raise RuntimeError(name)

    def __str__(self) -> str:
        """Raise."""
        raise RuntimeError

    __repr__ = __str__


class Loading:
    """Loads its data for each attribute that it does not have, like a lazy object of an ORM."""

    def __init__(self, loaded: list[str]) -> None:
        self._loaded = loaded

    def __getattr__(self, name: str) -> Any:
        """Note the name."""
        if not name.startswith("__"):
            self._loaded.append(name)
        return list


class HostileMapping(dict[str, str]):
    """A dict that cannot be read."""

    def items(self) -> NoReturn:
        """Raise."""
        raise RuntimeError


class Color(Enum):
    """An enumeration of texts."""

    RED = "red"


@dataclass
class Point:
    """A dataclass with a value that is no number."""

    x: int
    y: float


def cycle() -> list[Any]:
    """A list that holds itself."""
    ring: list[Any] = [1]
    ring.append(ring)
    return ring


def self_holding_example() -> dspy.Example:
    """An example that is its own field."""
    example = dspy.Example(name="ring")
    example["me"] = example
    return example


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (cycle(), [1, None]),
        (self_holding_example(), {"name": "ring", "me": None}),
        (float("nan"), None),
        ([float("inf"), 1.5], [None, 1.5]),
        (b"\xff", b"\xff"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.float32(0.5), 0.5),
        (np.array(5), 5),
        (array("d", [1.5]), [1.5]),
        (np.int64(3), 3),
        ([10**5000], [hex(10**5000)]),
        ({1: "one", (2, 3): "pair", None: 0}, {"1": "one", "(2, 3)": "pair", "None": 0}),
        ({"b", "a"}, ["a", "b"]),
        ([dspy.Example(x=[dspy.Example(y=1)])], [{"x": [{"y": 1}]}]),
        (dspy.Prediction(answer="4"), {"answer": "4"}),
        (Color.RED, "red"),
        (Point(1, float("nan")), {"x": 1}),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (len, None),
        (dspy.Example, None),
        ("broken \ud83d half", "broken � half"),
        ({"\udc00": 1}, {"�": 1}),
    ],
)
def test_what_becomes_of_a_value(value: object, expected: object) -> None:
    """Data stays data; what is none becomes null where it stood, and takes nothing else with it."""
    assert plain(value) == expected


def test_what_raises_is_null_and_its_neighbors_stay() -> None:
    """An object that raises on every look, its class included, costs itself and nothing beside it."""
    assert plain(Hostile()) is None
    assert plain([1, Hostile(), 2]) == [1, None, 2]
    assert plain({"good": 1, "bad": HostileMapping(a="b")}) == {"good": 1, "bad": None}
    assert plain(dspy.Example(good=1, bad=Hostile())) == {"good": 1, "bad": None}


def test_nothing_is_consumed() -> None:
    """A generator still gives everything to the user after it was looked at."""

    def numbers() -> Iterator[int]:
        yield from range(3)

    generator = numbers()
    assert plain({"stream": generator}) == {"stream": None}
    assert list(generator) == [0, 1, 2]


@pytest.mark.parametrize("kind", [Mock, MagicMock, NonCallableMagicMock, AsyncMock])
@pytest.mark.filterwarnings("error")
def test_a_mock_has_no_calls_but_those_of_the_program(kind: type[Mock]) -> None:
    """A test of the user's that asserts the calls of a mock passes with and without instrumentation."""
    mock = kind()
    for look in (plain, bounded, captured):
        look({"client": mock})
        look([mock])
    assert mock.mock_calls == []
    assert "items" not in vars(mock)["_mock_children"]


def test_no_attribute_of_a_lazy_object_is_loaded() -> None:
    """Whether an object is an example or an array depends on its class alone."""
    loaded: list[str] = []
    for look in (plain, bounded, captured):
        look({"row": Loading(loaded)})
    assert loaded == []


def test_a_large_array_is_recorded_as_its_shape() -> None:
    """A small one is a list, whatever its shape."""
    assert plain({"a": np.zeros((400, 300), dtype=np.float32)}) == {"a": {"dtype": "float32", "shape": [400, 300]}}
    assert plain(np.zeros((2, 1))) == [[0.0], [0.0]]
    assert plain(np.float64(2.5)) == 2.5


def test_depth_is_bounded() -> None:
    """Data nested too deep for the stack loses its depths, and no error is raised."""
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    text = json.dumps(plain([deep, "beside"]))
    assert text.startswith("[[[[")
    assert text.endswith(', "beside"]')


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.frozensets(st.text()),
        max_leaves=20,
    )
)
def test_the_result_is_json_that_utf8_can_hold(value: object) -> None:
    """Whatever comes in, strict JSON comes out, and making it plain again changes nothing."""
    data = plain(value)
    json.dumps(data, ensure_ascii=False, allow_nan=False, default=lambda given: given.hex()).encode()
    assert plain(data) == data


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None, categories=None))


@given(st.dictionaries(st.text(), _SCALARS | st.lists(_SCALARS), max_size=20))
def test_what_is_captured_is_converted_later(fields: dict[str, Any]) -> None:
    """Conversion in two steps has the result of one, and plain data is left as it is."""
    for value in (fields, dspy.Prediction(**fields), [fields, fields]):
        data = converted(captured(value))
        assert data == bounded(value)
        assert converted(data) == data


def test_what_is_no_text_by_name_is_converted_at_once() -> None:
    """Values that raise, and names that are no texts, have the answer that `bounded` has."""
    for value in (Hostile(), HostileMapping(a="b"), dspy.Example(good=1, bad=Hostile()), {1: "one"}):
        assert captured(value) == bounded(value)


def test_what_is_captured_does_not_change_later() -> None:
    """The application may change its data as soon as the call has returned."""
    tags = ["sum"]
    prediction, flat = dspy.Prediction(answer="4", tags=tags), dspy.Prediction(answer="4")
    inputs: dict[str, Any] = {"question": "2+2", "hints": tags}
    copies = [captured(value) for value in (prediction, inputs, flat)]
    prediction.answer = flat.answer = inputs["question"] = "changed"
    tags.append("changed")
    assert list(map(converted, copies)) == [
        {"answer": "4", "tags": ["sum"]},
        {"question": "2+2", "hints": ["sum"]},
        {"answer": "4"},
    ]


@given(st.text(st.characters(codec=None, categories=None)))
def test_well_formed_text_can_be_encoded_and_keeps_what_is_sound(text: str) -> None:
    """Lone surrogates alone are replaced; a sound text comes back as the same object."""
    result = well_formed(text)
    result.encode()
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert result is text
