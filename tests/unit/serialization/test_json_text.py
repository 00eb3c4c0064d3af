"""Parsing of JSON texts of unknown origin."""

from __future__ import annotations

import json
from json import encoder as accelerated
from typing import Any

import pytest

from otel_dspy.serialization.json_text import MAX_NESTING, json_encoder, nesting, parse_json


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


class _Named:
    name = "an object"


_DATA: list[Any] = [
    'ünï\n"quoted" \u2028', "", 1, 1.5, True, None, [], {}, {"a": [1, {"b": None}], "ü": "😀"}, [["deep"]], _Named(),
    {"n": float("nan"), "i": -float("inf")}, {2: "two", None: 2, True: 3},
]  # fmt: skip


def _fields(value: _Named) -> dict[str, str]:
    return {"name": value.name}


def _encoder(**options: Any) -> json.JSONEncoder:
    return json.JSONEncoder(default=_fields, **options)


@pytest.mark.parametrize("options", [{}, {"ensure_ascii": False, "separators": (",", ":")}], ids=["default", "compact"])
@pytest.mark.parametrize("accelerator", ["as it is", "none", "of another version"])
def test_the_encoder_encodes_as_the_library_does(
    options: dict[str, Any], accelerator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Python's accelerator, without it, and where it has other arguments."""
    if accelerator != "as it is":
        monkeypatch.setattr(accelerated, "c_make_encoder", None if accelerator == "none" else lambda: None)
    encode = json_encoder(_encoder(**options))
    monkeypatch.undo()
    assert [encode(value) for value in _DATA] == [_encoder(**options).encode(value) for value in _DATA]


def test_the_encoder_raises_what_the_library_raises() -> None:
    """NaN where it is not allowed, an object without a default; it encodes what follows."""
    encode = json_encoder(json.JSONEncoder(allow_nan=False))
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode([float("nan")])
    with pytest.raises(TypeError, match="not JSON serializable"):
        encode(_Named())
    assert encode([1]) == "[1]"
