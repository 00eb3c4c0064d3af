"""Where secrets are looked for: settings, headers, addresses, arguments, models, tools."""

from __future__ import annotations

import json
from collections import Counter
from types import MappingProxyType
from typing import Any
from unittest import mock

import dspy
import pydantic
import pytest

from otel_dspy.runtime import error_guard
from otel_dspy.telemetry.secrets.discovery import (
    SeenObjects,
    attributes,
    defaults,
    named_in,
    tools,
    without_secret_defaults,
)
from otel_dspy.telemetry.secrets.patterns import REDACTED
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper

VALUE = "tall-oak-tree"


class Holder:
    """Any object with attributes."""

    def __init__(self, **given: object) -> None:
        vars(self).update(given)


class Login(pydantic.BaseModel):
    """Settings as a model."""

    api_key: str


class Revealing:
    """As pydantic's SecretStr."""

    def get_secret_value(self) -> str:
        """The secret."""
        return VALUE


def _known(keeper: SecretKeeper) -> bool:
    return keeper.scrub(f"<{VALUE}>") == f"<{REDACTED}>"


def _nested(levels: int) -> dict[str, object]:
    found: dict[str, object] = {"api_key": VALUE}
    for _ in range(levels):
        found = {"options": found}
    return found


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        ({"api_key": VALUE}, True),
        ({"title": VALUE}, False),
        ({"api_key": [VALUE]}, True),
        ({"api_key": (VALUE,)}, True),
        ({"api_key": {VALUE}}, True),
        ({"api_key": frozenset({VALUE})}, True),
        ({"api_key": Revealing()}, True),
        ({"api_key": object()}, False),
        ({"credentials": {"any": VALUE}}, True),
        ({"credentials": {"Content-Type": VALUE}}, False),
        ({"extra": {"password": {"description": VALUE}}}, False),
        ({"extra": {"password": {"api_key": VALUE}}}, True),
        ({"extra": {"password": [VALUE]}}, True),
        ({"extra": {"password": {"within": {"api_key": VALUE}}}}, True),
        (_nested(3), True),
        (_nested(4), False),
        ({"response_format": {"api_key": VALUE}}, False),
        ({"options": [{"api_key": VALUE}]}, False),
        ({"login": Login(api_key=VALUE)}, True),
        ({"api_base": f"http://ann:{VALUE}@host"}, True),
        ({"api_base": f"http://host/?key=1&api_key={VALUE}"}, True),
        ({"api_base": f"http://host/?title={VALUE}"}, False),
        ({"api_base": f"http://{VALUE}@host"}, False),
        ({"note": f"ann:{VALUE}@host"}, False),
        ({"headers": {"X-Api-Key": VALUE}}, True),
        ({"headers": {"X-Api-Key": Revealing()}}, True),
        ({"headers": {"X-Other": Revealing()}}, False),
        ({"headers": {"X-Other": VALUE}}, False),
        ({"headers": {"X-Url": f"http://ann:{VALUE}@host"}}, True),
        ({"headers": [("X-Api-Key", VALUE)]}, True),
        ({"headers": MappingProxyType({"X-Api-Key": VALUE})}, True),
        ({"headers": MappingProxyType({"X-Other": VALUE})}, False),
        ({"headers": [VALUE]}, True),
        ({"headers": [1, VALUE]}, True),
        ({"headers": VALUE}, True),
        ({"extra": {"headers": {"X-Api-Key": VALUE}}}, True),
        ({"api_key": "Bearer tall-oak-tree"}, True),
    ],
)
def test_where_settings_hold_secrets(settings: dict[str, Any], *, known: bool) -> None:
    """Under a secret's name, in nested settings of three levels, in headers, and in addresses."""
    keeper = SecretKeeper()
    keeper.learn_from(settings)
    assert _known(keeper) is known


def test_how_much_of_an_object_is_searched() -> None:
    """The first 32 fields of a dictionary or a model; nothing else has named fields."""
    assert named_in({1: "a"}) == {"1": "a"}
    assert named_in(Login(api_key="k")) == {"api_key": "k"}
    assert named_in(Holder(api_key="k")) == named_in([1]) == named_in(None) == {}
    assert len(named_in({str(number): number for number in range(33)})) == 32


def test_a_secret_of_eight_characters_is_the_shortest() -> None:
    """Shorter values occur in ordinary text; the scheme of a header is not a part of its secret."""
    keeper = SecretKeeper()
    for value in ("Abcdef7", "Abcdefg8", "Bearer Qrstuvw9"):
        keeper.learn(value)
    assert keeper.scrub("Abcdef7 Abcdefg8 Qrstuvw9") == f"Abcdef7 {REDACTED} {REDACTED}"


def test_the_secrets_of_an_address_alone() -> None:
    """`learn_url` takes nothing but addresses."""
    keeper = SecretKeeper()
    keeper.learn_url(f"ann:{VALUE}@host")
    assert not _known(keeper)
    keeper.learn_url(f"http://ann:{VALUE}@host")
    assert _known(keeper)


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("?token=word", f"?token={REDACTED}"),
        ("&token=word", f"&token={REDACTED}"),
        ("token=abcd1234", f"token={REDACTED}"),
        ("token=abcd1234(x)", "token=abcd1234(x)"),
        ("token=abcd1234[0]", "token=abcd1234[0]"),
        ("token=abcd1234{x}", "token=abcd1234{x}"),
        ('{"password": "a word"}', f'{{"password": "{REDACTED}"}}'),
        ("{'password': 'a word'}", f"{{'password': '{REDACTED}'}}"),
        (r"{\"password\": \"a word\"}", rf"{{\"password\": \"{REDACTED}\"}}"),
        ("xoxb-1234567890 hf_abcdefghijklmnop sk-abcdefghijklmnoP", f"{REDACTED} {REDACTED} {REDACTED}"),
    ],
)
def test_values_by_their_place_in_a_text(text: str, scrubbed: str) -> None:
    """At the start of a text too; what a program calls or indexes is code."""
    assert SecretKeeper().scrub(text) == scrubbed


def test_attributes_of_an_object_and_of_its_delegates() -> None:
    """Two levels of delegation; a name or a class is no delegate."""
    deepest = Holder(api_key="4", client=Holder(api_key="5"))
    holder = Holder(
        api_key="1",
        title="2",
        other=Holder(api_key="3"),
        _client=Holder(engine=deepest, token="6"),  # noqa: S106 - no secret
        model="a name",
        embedder=Holder,
    )
    assert sorted(attributes(holder)) == [("api_key", "1"), ("api_key", "4"), ("token", "6")]
    assert attributes(7) == []


def test_settings_and_the_provider_of_a_model() -> None:
    """A provider that launches or trains the model has a key of its own, or receives it with these settings."""
    holder = Holder(
        launch_kwargs={"port": 1, "env": {"hf_token": "a-b-1"}}, provider=Holder(api_key="2"), notes={"x": 1}
    )
    assert attributes(holder) == [("launch_kwargs", {"port": 1, "env": {"hf_token": "a-b-1"}}), ("api_key", "2")]
    keeper = SecretKeeper()
    keeper.learn_held(Holder(launch_kwargs={"port": 1, "env": {"hf_token": VALUE}}))
    assert VALUE not in keeper.scrub(f"401: {VALUE}")


def test_defaults_of_a_tools_arguments() -> None:
    """Also of the fields of an argument that is an object, three levels deep; None is no default."""
    inner: dict[str, Any] = {"d": {"default": "deep", "properties": {"e": {"default": "too deep"}}}}
    for name in ("c", "b"):
        inner = {name: {"properties": inner}}
    schema: dict[str, Any] = {"odd": "text", "a": {"default": "x", "properties": inner}, "n": {"default": None}}
    assert defaults(Holder(args=schema)) == [("a", "x"), ("d", "deep")]
    assert defaults(Holder(args=None)) == defaults(object()) == []


def test_defaults_of_secret_arguments_are_redacted() -> None:
    """In a schema, at any depth; others, and empty ones, stay."""
    schema: dict[str, Any] = {
        "api_key": {"type": "string", "default": VALUE},
        "token": {"type": "string", "default": ""},
        "city": {"default": "Ulm", "properties": {"password": {"default": VALUE}}},
        "required": ["city"],
    }
    assert without_secret_defaults(schema) == {
        "api_key": {"type": "string", "default": REDACTED},
        "token": {"type": "string", "default": ""},
        "city": {"default": "Ulm", "properties": {"password": {"default": REDACTED}}},
        "required": ["city"],
    }


def test_an_object_is_searched_once() -> None:
    """Until it is gone: a later one may have its id; what cannot be referenced weakly is searched each time."""
    seen, first = SeenObjects(), Holder()
    assert [seen.is_first(first), seen.is_first(first)] == [True, False]
    assert [seen.is_first(7), seen.is_first(7)] == [True, True]
    for _ in range(50):
        assert seen.is_first(Holder())
    assert len(seen._seen) == 1


def test_an_agent_and_its_tools() -> None:
    """The attributes and default arguments of each, once."""
    tool = Holder(args={"city": {"default": VALUE}, "password": {"default": "quiet-river-stone"}})
    agent: Any = Holder(api_key="green-hill-top", tools={"lookup": tool})
    keeper = SecretKeeper()
    keeper.learn_held(agent)
    assert tools(agent) == [tool]
    assert tools(Holder(tools=[tool])) == tools(object()) == []
    texts = keeper.scrub(f"{VALUE}, quiet-river-stone, green-hill-top")
    assert texts == f"{VALUE}, {REDACTED}, {REDACTED}"
    agent.api_key = "blue-lake-shore"
    keeper.learn_held(agent)
    assert keeper.scrub("blue-lake-shore") == "blue-lake-shore"


class Closed:
    """An object whose attributes cannot be read."""

    @property
    def __dict__(self) -> dict[str, object]:  # pyright: ignore[reportIncompatibleVariableOverride] - broken on purpose
        """Nothing can be read."""
        raise ValueError("closed")


def test_what_cannot_be_searched_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """In one line, by what was searched; the program is not affected."""
    keeper = SecretKeeper()
    with mock.patch.object(error_guard, "_failures", Counter[str]()), caplog.at_level("WARNING", "otel_dspy"):
        keeper.learn_held(Closed())
    assert "otel-dspy: the search for secrets in a model or tool failed" in caplog.text


def test_a_program_that_cannot_be_searched_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """In one line, under a name of its own; the program is not affected."""

    class Broken(Closed, dspy.Module):
        """A program whose modules cannot be listed."""

    keeper = SecretKeeper()
    with mock.patch.object(error_guard, "_failures", Counter[str]()), caplog.at_level("WARNING", "otel_dspy"):
        keeper.learn_program(Broken())
    assert "otel-dspy: the search for secrets in a program failed" in caplog.text


def test_each_module_of_a_program_is_searched() -> None:
    """The program's own attributes, and those of the modules inside it."""

    class Inner(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.api_key = VALUE

    class Outer(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Inner()
            self.password = "quiet-river-stone"

    keeper = SecretKeeper()
    keeper.learn_program(Outer())
    assert keeper.scrub(f"{VALUE}, quiet-river-stone") == f"{REDACTED}, {REDACTED}"


def test_a_value_of_a_query_may_hold_an_equals_sign() -> None:
    """Base64 ends with them."""
    keeper = SecretKeeper()
    keeper.learn_url(f"http://host/?api_key={VALUE}==")
    assert keeper.scrub(f"<{VALUE}==>") == f"<{REDACTED}>"


def test_a_long_text_is_scrubbed_too() -> None:
    """Results of 16 Ki characters and more are not cached."""
    keeper = SecretKeeper()
    keeper.learn(VALUE)
    for length in (16_384, 16_385, 100_000):
        text = "x" * (length - len(VALUE) - 1)
        assert keeper.scrub(f"{text} {VALUE}") == f"{text} {REDACTED}"


def test_a_secret_that_json_escapes() -> None:
    """In JSON that is ASCII only, in JSON that is not, and in JSON inside JSON."""
    keeper, secret = SecretKeeper(), 'größe "12345678"'
    keeper.learn(secret)
    for outer in (False, True):
        once = json.dumps(secret, ensure_ascii=outer)
        assert keeper.scrub(once) == f'"{REDACTED}"'
        for inner in (False, True):
            twice = json.dumps(json.dumps(secret, ensure_ascii=inner), ensure_ascii=outer)
            assert keeper.scrub(twice) == rf'"\"{REDACTED}\""'
