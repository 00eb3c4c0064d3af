from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_dspy.runtime.error_guard import failures
from otel_dspy.serialization.plain_data import plain
from otel_dspy.settings import Settings
from otel_dspy.telemetry.content.content_filter import ContentFilter
from otel_dspy.telemetry.content.content_json import plain_json
from otel_dspy.telemetry.secrets.scrubber import REDACTED, SecretKeeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.util.types import AttributeValue

NAME = "dspy.module.input"


def content(
    *, limit: int | None = None, redact: Callable[[str, str], str] | None = None, max_media_bytes: int = 65_536
) -> ContentFilter:
    """A filter that knows one secret."""
    secrets = SecretKeeper()
    secrets.learn("planted-secret")
    return ContentFilter(Settings(max_content_length=limit, redact=redact, max_media_bytes=max_media_bytes), secrets)


def put(filtered: ContentFilter, value: object) -> dict[str, AttributeValue]:
    """The attributes that the filter makes of a value."""
    attributes: dict[str, AttributeValue] = {}
    filtered.put(attributes, NAME, value)
    return attributes


def test_texts_stay_texts_and_data_becomes_json() -> None:
    """A string is no JSON string; everything else is strict JSON, without escapes for letters."""
    assert put(content(), "ünï") == {NAME: "ünï"}
    assert put(content(), {"a": ["ü", None, b"\x00"], "f": len}) == {NAME: '{"a":["ü",null,"AA=="],"f":null}'}


@pytest.mark.parametrize(
    ("limit", "attributes"),
    [
        (None, {NAME: "12345"}),
        (5, {NAME: "12345"}),
        (4, {NAME: "1234", f"dspy.content.length.{NAME}": 5}),
        (0, {NAME: "", f"dspy.content.length.{NAME}": 5}),
    ],
)
def test_truncated_content_has_its_original_length(limit: int | None, attributes: dict[str, AttributeValue]) -> None:
    """Only truncated content has its original length."""
    assert put(content(limit=limit), "12345") == attributes


def test_content_that_repeats_is_filtered_for_what_is_known_now() -> None:
    """Texts are kept for modules with the same inputs; a secret that is learned in between is removed from them."""
    secrets, value = SecretKeeper(), {"question": "what opens planted-later?", "context": "none"}
    filtered = ContentFilter(Settings(max_content_length=40), secrets)
    cut = {NAME: '{"question":"what opens planted-later?",', f"dspy.content.length.{NAME}": 57}
    assert [put(filtered, value), put(filtered, dict(value))] == [cut, cut]
    secrets.learn("planted-later")
    redacted = {NAME: '{"question":"what opens [redacted]?","co', f"dspy.content.length.{NAME}": 57}
    assert [put(filtered, value), put(filtered, value)] == [redacted, redacted]
    reverse = {"context": "none", "question": "what"}
    assert put(filtered, reverse) == {NAME: '{"context":"none","question":"what"}'}


def test_equal_values_of_different_types_have_different_texts() -> None:
    """1, 1.0 and True are equal in Python, and three texts in JSON."""
    filtered = content()
    assert [put(filtered, {"n": value})[NAME] for value in (1, True, 1.0, "1")] == [
        '{"n":1}', '{"n":true}', '{"n":1.0}', '{"n":"1"}',
    ]  # fmt: skip


def test_a_cut_comes_after_the_secrets_are_out() -> None:
    """No half of a secret is left at the edge."""
    assert put(content(limit=8), "say planted-secret")[NAME] == "say [red"


@given(st.integers(0, 3000), st.integers(0, 6000))
def test_a_cut_looks_at_no_more_than_it_needs(limit: int, position: int) -> None:
    """Of a text of any length, and a secret at the edge of what is looked at leaves no half behind."""
    secret = "planted-secret" * 60
    secrets = SecretKeeper()
    secrets.learn(secret)
    with patch.object(secrets, "scrub", wraps=secrets.scrub) as scrub:
        text = ContentFilter(Settings(max_content_length=limit), secrets).text(
            NAME, "x" * position + secret + "x" * 100_000
        )
    assert max(len(call.args[0]) for call in scrub.call_args_list) <= limit + 2 * secrets.longest
    assert "planted" not in text
    assert len(text) <= limit
    assert len(text) == limit or REDACTED in text


def test_in_a_row_each_text_is_cut_for_itself() -> None:
    """The shape stays, and no half of a secret is left."""
    row = {"a": ["12345", 12345, None], "b": {"text": "say planted-secret"}, "raw": b"12345"}
    assert content(limit=4).for_row(row) == {"a": ["1234", 12345, None], "b": {"text": "say "}, "raw": b"12345"}
    assert content(limit=8).for_row(row["b"]) == {"text": "say [red"}
    assert content().for_row(row) == row


def test_in_a_row_encoded_data_is_named_not_repeated() -> None:
    """A data URI, bare base64 and bytes are there by size and digest of the bytes; long texts, chains of bases and digits are texts."""
    encoded = base64.b64encode(bytes(range(256)) * 16).decode()
    assert [content().for_row(long) for long in (f"data:audio/wav;base64,{encoded}", encoded, b"x" * 5000)] == [
        "data:audio/wav;base64,… (4096 bytes, sha256 c8f5d0341d54d951)",
        "… (4096 bytes, sha256 c8f5d0341d54d951)",
        "… (5000 bytes, sha256 c59d3c0480cc2d71)",
    ]
    for text in (
        encoded[:100],
        "GATTACA" * 1000,
        "0123456789" * 1000,
        "a word and " * 1000,
        "漢字" * 5000,
    ):
        assert content().for_row(text) == text


def test_in_a_row_an_image_is_whole_or_named() -> None:
    """An image within `max_media_bytes` is whole, as MLflow's tables show it; never one that would be truncated."""
    encoded = base64.b64encode(bytes(range(256)) * 16).decode()
    uri = f"data:image/png;base64,{encoded}"
    named = "data:image/png;base64,… (4096 bytes, sha256 c8f5d0341d54d951)"
    assert content().for_row(uri) == uri
    assert content(max_media_bytes=4000).for_row(uri) == named
    assert content(limit=5000).for_row(uri) == named
    assert content(limit=6000).for_row(uri) == uri


def test_rows_with_many_images_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver omits results of more than 64 MiB: then every image is named, since a column is of images or of texts."""
    monkeypatch.setattr("otel_dspy.telemetry.content.content_filter._ROWS_WITH_IMAGES", 20_000)
    encoded = base64.b64encode(bytes(range(256)) * 16).decode()
    row: Any = {"picture": f"data:image/png;base64,{encoded}"}
    assert json.loads(content().rows([row] * 3)) == [row] * 3
    named = "data:image/png;base64,… (4096 bytes, sha256 c8f5d0341d54d951)"
    assert json.loads(content().rows([row] * 4)) == [{"picture": named}] * 4


def test_the_redactor_sees_every_string_and_the_attributes_name() -> None:
    """Strings at any depth go through it, other data and names don't; what it lets through is still scrubbed."""
    seen: list[tuple[str, str]] = []

    def redact(name: str, text: str) -> str:
        seen.append((name, text))
        return text.replace("Bob", "planted-secret")

    assert put(content(redact=redact), {"Bob": ["Bob", {"x": "Al"}, 1]}) == {
        NAME: f'{{"Bob":["{REDACTED}",{{"x":"Al"}},1]}}'
    }
    assert seen == [(NAME, "Bob"), (NAME, "Al")]
    assert content(redact=redact).text("name", "Bob") == REDACTED


def test_the_redactor_sees_keys_that_are_data() -> None:
    """Not the names of fields, arguments and modules, by which values are found. Items of equal keys are kept."""
    value = {
        "by_mail": {"ann@example.org": 1, "bob@example.org": [{"+1 555": "x"}], "carl": 2},
        "steps[0].predict": {"$ref": "y", "Ann Miller": 3, "first name": 4},
    }

    def hide(_name: str, text: str) -> str:
        return "<data>" if " " in text or "@" in text else text

    filtered = put(content(redact=hide), value)
    assert json.loads(str(filtered[NAME])) == {
        "by_mail": {"<data>": 1, "<data>'": [{"<data>": "x"}], "carl": 2},
        "steps[0].predict": {"$ref": "y", "<data>": 3, "<data>'": 4},
    }


@pytest.mark.parametrize("answer", [None, 5, b"bytes"])
def test_a_redactor_that_gives_no_text_lets_nothing_out(answer: object) -> None:
    """A redactor that forgets its return statement is a failure: logged once, and the text is withheld."""
    before = failures().get("the user's redactor", 0)
    filtered = content(redact=lambda _name, _text: cast("Any", answer))
    assert put(filtered, ["private"]) == {NAME: f'["{REDACTED}"]'}
    assert filtered.text(NAME, "private") == REDACTED
    assert failures()["the user's redactor"] == before + 2


def test_the_message_of_a_failing_redactor_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It may repeat the text, and so may the error that it came from: the type alone is recorded."""

    def redact(_name: str, text: str) -> str:
        raise ValueError(f"cannot parse {text}") from KeyError(text)

    caplog.set_level("DEBUG")
    assert content(redact=redact).text("name", "my private mail") == REDACTED
    assert "private" not in caplog.text
    assert "ValueError" in caplog.text


def test_a_redactor_that_raises_lets_nothing_out_but_an_interrupt_through() -> None:
    """An error withholds the text; Ctrl-C is the user's."""

    def raising(_name: str, text: str) -> str:
        raise KeyboardInterrupt if text == "stop" else RuntimeError(text)

    assert put(content(redact=raising), "private") == {NAME: REDACTED}
    with pytest.raises(KeyboardInterrupt):
        put(content(redact=raising), "stop")


def test_the_json_of_any_object_raises_nothing_and_is_strict() -> None:
    """Whatever stands in it, the text is JSON that any reader takes and UTF-8 can hold."""
    ring: dict[Any, Any] = {"nan": float("nan"), "huge": 10**5000, "half": "\ud83d", "bytes": b"\xff", 3: {4: 5}}
    ring["ring"] = ring
    text = plain_json(plain(ring))
    text.encode()
    assert json.loads(text) == {
        "nan": None,
        "huge": hex(10**5000),
        "half": "�",
        "bytes": "/w==",
        "3": {"4": 5},
        "ring": None,
    }


@pytest.mark.parametrize(("limit", "characters"), [(None, 8_192), (5, 5), (10_000, 8_192), (0, 0)])
def test_messages_of_exceptions_have_a_limit_of_their_own(limit: int | None, characters: int) -> None:
    """The smaller one of 8,192 characters and the setting."""
    found = content(limit=limit).message("exception.message", "a b " * 5_000)
    assert found == ("a b " * 5_000)[:characters]
