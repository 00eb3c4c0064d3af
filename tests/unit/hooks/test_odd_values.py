"""Inputs and answers that are too large, too deep or no data at all: a bounded record, and the program as ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import numpy as np
import pytest
from inline_snapshot import snapshot

from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from collections.abc import Iterator

HUNDRED_MEGABYTES = 100_000_000
LIMIT = 60


class Echo(dspy.Module):
    """Gives back what it was given."""

    def forward(self, value: Any) -> dspy.Prediction:
        """Look at nothing."""
        return dspy.Prediction(value=value)


def circle() -> list[Any]:
    """A list that contains itself."""
    made: list[Any] = ["round"]
    made.append(made)
    return made


def deep() -> list[Any]:
    """A list ten thousand levels deep, which Python's own JSON cannot write."""
    made: list[Any] = []
    for _ in range(10_000):
        made = [made]
    return made


def drawn() -> Iterator[int]:
    """Drawing from it consumes items."""
    yield 1


VALUES = {
    "circle": circle,
    "deep": deep,
    "text": lambda: "word " * (HUNDRED_MEGABYTES // 10 // 5),
    "text of 100 MB": lambda: "word " * (HUNDRED_MEGABYTES // 5),
    "array": lambda: np.zeros(HUNDRED_MEGABYTES // 8),
    "picture": lambda: dspy.Image(url="data:image/png;base64," + "iVBORw0KGgo" * 1_000_000),
    "bytes": lambda: bytes(1_000_000),
    "generator": drawn,
    "nothing that is data": object,
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "text of 100 MB" else []) for name in VALUES]
)
def test_a_call_with_it(name: str) -> None:
    """What stands on the span is cut, the program gets the very object and the object is as it was."""

    def call() -> bool:
        value = VALUES[name]()
        echo: Any = Echo()
        given: Any = echo(value=value).value
        return given is value and (name != "generator" or next(given) == 1)

    recorder = same_with_and_without(call, capture_content=True, max_content_length=LIMIT)
    (span,) = recorder.spans
    recorded = {key: value for key, value in span.attributes.items() if "put" in key}
    assert all(len(str(text)) <= LIMIT for text in recorded.values())
    assert recorded == EXPECTED[name]


EXPECTED: dict[str, Any] = snapshot(
    {
        "circle": {"dspy.module.input": '{"value":["round",null]}', "dspy.module.output": '{"value":["round",null]}'},
        "deep": {
            "dspy.content.length.dspy.module.input": 212,
            "dspy.module.input": '{"value":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[',
            "dspy.content.length.dspy.module.output": 212,
            "dspy.module.output": '{"value":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[',
        },
        "text": {
            "dspy.content.length.dspy.module.input": 10000012,
            "dspy.module.input": '{"value":"word word word word word word word word word word ',
            "dspy.content.length.dspy.module.output": 10000012,
            "dspy.module.output": '{"value":"word word word word word word word word word word ',
        },
        "text of 100 MB": {
            "dspy.content.length.dspy.module.input": 100000012,
            "dspy.module.input": '{"value":"word word word word word word word word word word ',
            "dspy.content.length.dspy.module.output": 100000012,
            "dspy.module.output": '{"value":"word word word word word word word word word word ',
        },
        "array": {
            "dspy.module.input": '{"value":{"dtype":"float64","shape":[12500000]}}',
            "dspy.module.output": '{"value":{"dtype":"float64","shape":[12500000]}}',
        },
        "picture": {
            "dspy.content.length.dspy.module.input": 117,
            "dspy.module.input": '{"value":{"type":"image_url","image_url":{"url":"data:image/',
            "dspy.content.length.dspy.module.output": 117,
            "dspy.module.output": '{"value":{"type":"image_url","image_url":{"url":"data:image/',
        },
        "bytes": {
            "dspy.module.input": '{"value":"… (1000000 bytes, sha256 d29751f2649b32ff)"}',
            "dspy.module.output": '{"value":"… (1000000 bytes, sha256 d29751f2649b32ff)"}',
        },
        "generator": {"dspy.module.input": '{"value":null}', "dspy.module.output": '{"value":null}'},
        "nothing that is data": {"dspy.module.input": '{"value":null}', "dspy.module.output": '{"value":null}'},
    }
)
