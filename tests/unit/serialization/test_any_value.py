from __future__ import annotations

from array import array
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import UUID

import dspy
import numpy as np
import pandas as pd
import pydantic
import pytest
from opentelemetry.util.genai.utils import object_to_any_value

from otel_dspy.serialization.plain_data import bounded, plain


class Closed:
    """An object without any readable data, as a closed connection."""

    def __str__(self) -> str:
        """Fail."""
        message = "closed"
        raise ConnectionError(message)


class Color(Enum):
    """An enumeration of texts."""

    RED = "red"


class Loading:
    """Whatever it is asked for its data, it loads all of it; like a data set or a cursor."""

    def __init__(self) -> None:
        self._asked: list[str] = []

    def asked(self) -> list[str]:
        """Which methods were called."""
        return self._asked

    def to_dict(self) -> dict[str, Any]:
        """Note it."""
        self._asked.append("to_dict")
        return {"rows": [1]}

    def dict(self) -> Any:
        """Note it."""
        self._asked.append("dict")
        return {}

    def model_dump(self) -> Any:
        """Note it."""
        self._asked.append("model_dump")
        return {}

    def tolist(self) -> list[int]:
        """Note it."""
        self._asked.append("tolist")
        return [1]


class Model(pydantic.BaseModel):
    """A user's pydantic model."""

    name: str
    when: datetime | None = None


@dataclass
class Holder:
    """A dataclass that holds anything."""

    held: Any


class Plain:
    """An object with attributes of all kinds."""

    def __init__(self, held: object) -> None:
        self.held = held
        self.number = 1.5
        self._private = "x"


def test_no_method_of_an_unknown_object_is_called() -> None:
    """A data set's `to_dict` would load all of it: an unknown object has no data but its attributes and its text."""
    loading = Loading()
    for value in (loading, {"data": [loading]}, Holder(loading), Plain(loading), dspy.Example(x=loading)):
        plain(value)
        bounded(value)
    assert loading.asked() == []


@pytest.mark.parametrize(
    "value",
    [
        Model(name="m", when=datetime(2026, 1, 2, tzinfo=UTC)),
        Holder({1: "a"}),
        Holder({"a": [float("nan"), 1, len, {2}]}),
        Holder(Model(name="inner")),
        Plain(Holder([Color.RED, Decimal("1.5"), Path("a/b"), UUID(int=5), bytearray(b"x"), date(2026, 1, 2)])),
        Plain(np.array([1, 2])),
        SimpleNamespace(a=1, b=SimpleNamespace(c=len, d=None)),
        Decimal("2.5"),
        UUID(int=7),
        dspy.History(messages=[{"question": "q", "answer": "a"}]),
        object(),
    ],
)
def test_objects_are_the_data_that_the_library_makes_of_them(value: object) -> None:
    """Whatever calls no unknown method is as `opentelemetry-util-genai` has it, so digests stay what they were."""
    assert plain(value) == plain(object_to_any_value(value))


class Tagged(pydantic.BaseModel):
    """A model with a set."""

    tags: set[int]


def with_set(*tags: int) -> list[object]:
    """Objects of all kinds with a set, whose order is that in which its numbers are given."""
    return [
        Tagged(tags=set(tags)),
        Holder(set(tags)),
        Holder([frozenset(tags)]),
        Plain({"deep": [Tagged(tags=set(tags))]}),
        dspy.Example(item=Tagged(tags=set(tags))),
    ]


def test_the_order_of_a_set_is_in_no_data() -> None:
    """A set of texts has another order in each process; the digest of an example, that has one in a model, must not."""
    assert [*{0, 8}] != [*{8, 0}], "both orders must be there"
    assert list(map(plain, with_set(0, 8))) == list(map(plain, with_set(8, 0)))


def test_a_table_is_recorded_as_its_shape() -> None:
    """A frame of pandas has as many cells as anybody likes; its columns are arrays."""
    frame: Any = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert plain({"table": frame}) == {"table": {"type": "DataFrame", "shape": [2, 2]}}
    assert plain(frame["a"]) == [1, 2]


def test_content_is_bounded_over_all_of_a_value() -> None:
    """Lists and mappings that do not fit are recorded by type and length; the rest of the value stays."""
    many = list(range(100_001))
    assert bounded({"q": "why", "rows": many}) == {"q": "why", "rows": {"type": "list", "length": 100_001}}
    assert bounded(dict.fromkeys(many)) == {"type": "dict", "length": 100_001}
    assert bounded(Holder(tuple(many))) == {"held": {"type": "tuple", "length": 100_001}}
    recorded = bounded([[0] * 60_000, [0] * 60_000, [1]])
    assert recorded == [[0] * 60_000, {"type": "list", "length": 60_000}, [1]]
    assert bounded(many[:-1]) == many[:-1]
    assert bounded(array("d", [0.0] * 100_001)) == {"dtype": "None", "shape": [100_001]}


def test_what_is_no_content_is_whole() -> None:
    """A data set's rows and a program's state, and with them their digests, are what they are, however many."""
    assert plain([0] * 200_000) == [0] * 200_000


def test_types_of_dspy_are_content_blocks() -> None:
    """Images and sounds, also inside of a history: what DSPy sends, without the marks that it puts around them."""
    image, sound = dspy.Image("data:image/png;base64,AAEC"), dspy.Audio(data="AAEC", audio_format="wav")
    block = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC"}}
    assert plain({"image": image, "sounds": [sound], "history": dspy.History(messages=[{"image": image}])}) == {
        "image": block,
        "sounds": [{"type": "input_audio", "input_audio": {"data": "AAEC", "format": "wav"}}],
        "history": {"messages": [{"image": block}]},
    }


def test_tools_are_readable() -> None:
    """A `dspy.Tool` is callable, and in a module's inputs; other callables are no data. Defaults are left out."""

    def look_up(city: str, token: str = "k-1") -> str:  # noqa: S107 - what is looked for
        """Look a city up."""
        return city + token

    assert plain({"tools": [dspy.Tool(look_up), look_up, dspy.Predict("a -> b")]}) == {
        "tools": [{"name": "look_up", "desc": "Look a city up.", "args": ["city", "token"]}, None, None]
    }


class Person:
    """Somebody who knows others."""

    def __init__(self, name: str, friends: list[Any]) -> None:
        self.name = name
        self.friends = friends


@dataclass
class Member:
    """The same as a dataclass."""

    name: str
    friends: list[Any]


@pytest.mark.parametrize("create", [Person, Member])
def test_a_graph_of_objects_is_serialized_in_part(create: Any) -> None:
    """Nine objects that refer to each other have 100,000 paths, and thirty more than anybody could wait for."""
    people = [create(f"p{number}", []) for number in range(9)]
    for person in people:
        person.friends = [other for other in people if other is not person]
    text = str(plain(people[0]))
    assert text.startswith("{'name': 'p0', 'friends': [{'name': 'p1', 'friends': [{'name': 'p2'")
    assert text.count("'name'") == 10_000
    # The limit is of each value: rows of a data set do not share it.
    rows: Any = plain([people[0], people[1]])
    assert [str(row).count("'name'") for row in rows] == [10_000, 10_000]


def test_an_object_that_raises_is_omitted() -> None:
    """The rest of the value is serialized."""
    assert plain(Holder([Closed(), 1])) == {"held": [1]}
    assert plain(Holder({"connection": Closed(), "number": 1})) == {"held": {"number": 1}}


def test_a_module_is_no_data() -> None:
    """Through its modules, an interpreter's whole state could be reached."""
    module = ModuleType("settings")
    module.__dict__["path"] = "/x"
    assert plain({"module": module, "held": Holder(module)}) == {"module": None, "held": {}}
