from __future__ import annotations

import json
from unittest import mock

import pydantic
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from otel_dspy.telemetry.secrets import patterns, scrubber
from otel_dspy.telemetry.secrets.names import is_secret_name
from otel_dspy.telemetry.secrets.patterns import REDACTED
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper, host_and_port

# No digits alone: half an escape of JSON (`\\u0090`) could be taken for a part of the secret.
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=30).map(lambda text: f"Zq{text}")


@given(SECRETS, st.text(), st.text())
def test_a_learned_value_never_survives(secret: str, before: str, after: str) -> None:
    """Not in plain text, not in JSON text of either kind, not in JSON text inside JSON text."""
    keeper = SecretKeeper()
    keeper.learn(secret)
    assume(secret not in before + after)
    text = before + secret + after
    assert secret not in keeper.scrub(text)
    for ascii_only in (False, True):
        once = json.dumps({"said": text}, ensure_ascii=ascii_only)
        twice = json.dumps([once], ensure_ascii=ascii_only)
        assert secret not in str(json.loads(keeper.scrub(once)))
        assert secret not in str(json.loads(json.loads(keeper.scrub(twice))[0]))


@given(SECRETS, SECRETS)
def test_a_secret_that_begins_with_another_keeps_no_tail(short: str, tail: str) -> None:
    """The longer one goes first, whichever was learned first."""
    keeper = SecretKeeper()
    keeper.learn(short)
    keeper.learn(short + tail)
    assert keeper.scrub(f"<{short + tail}>") == f"<{REDACTED}>"


def test_values_of_the_environment_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with a secret's name is taken out of texts; others and short values are not."""
    monkeypatch.setenv("MY_SERVICE_API_KEY", "a plain sentence")
    monkeypatch.setenv("DB_PASS", "correct horse")
    monkeypatch.setenv("MY_TOKEN", "short")
    monkeypatch.setenv("MAX_TOKENS", "12345678")
    scrubbed = SecretKeeper().scrub("a plain sentence, correct horse, short, 12345678")
    assert scrubbed == f"{REDACTED}, {REDACTED}, short, 12345678"


def test_a_private_key_of_several_lines_is_found_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON writes line breaks as two characters; the key is found all the same."""
    key = "-----BEGIN OUR KEY-----\nMIIEvQ/abc\n-----END OUR KEY-----\n"
    monkeypatch.setenv("SERVICE_PRIVATE_KEY", key)
    assert SecretKeeper().scrub(json.dumps({"text": f"see {key}"})) == f'{{"text": "see {REDACTED}"}}'


def test_headers_are_learned_with_and_without_their_scheme() -> None:
    """What an LM gets as `extra_headers` is found alone too; a content type is no secret."""
    keeper = SecretKeeper()
    keeper.learn(
        {"Authorization": "Bearer quiet-river-stone", "X-Own": "tall-oak-tree", "Content-Type": "text/markdown"}
    )
    keeper.learn(["listed-value", 12345678, None])
    assert keeper.scrub("quiet-river-stone tall-oak-tree text/markdown listed-value 12345678") == (
        f"{REDACTED} {REDACTED} text/markdown {REDACTED} 12345678"
    )


def test_the_password_of_a_url_is_known_without_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection's error contains host and user alone; a database's address is in the environment."""
    monkeypatch.setenv("STORE", "postgresql://ann:quiet-river@host/db")
    keeper = SecretKeeper()
    keeper.learn_from({"api_base": "http://ann:tall%2Foak%20tree@host/v1", "note": "http://ann:@[host", "user": "a@b"})
    texts = keeper.scrub("no line to ann:tall%2Foak%20tree@host: tall/oak tree, quiet-river, ann, a@b")
    assert texts == f"no line to ann:{REDACTED}@host: {REDACTED}, {REDACTED}, ann, a@b"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4).map(lambda text: f"Zq{text}"), st.integers(0, 2))
def test_a_value_with_the_name_of_a_secret_is_removed(secret: str, depth: int) -> None:
    """In JSON text, in JSON text inside JSON text, and in a dictionary's own text; what stands beside it stays."""
    keeper = SecretKeeper()
    given = {"user": "ann", "db_password": secret, "max_tokens": 100, "Api-Key": secret, "last": "kept"}
    text: object = given
    for _ in range(depth):
        text = json.dumps(text)
    scrubbed = keeper.scrub(text if isinstance(text, str) else str(given))
    assert "Zq" not in scrubbed
    assert "kept" in scrubbed
    if depth == 1:
        assert json.loads(scrubbed) == {**given, "db_password": REDACTED, "Api-Key": REDACTED}


@pytest.mark.parametrize(
    "text",
    [
        '{"tokens": "seven or more", "keyword": "any text", "passage": "a long one", "author": "somebody"}',
        'the "password" is: "asked for"',
        '{"max_tokens": 100, "password": null}',
    ],
)
def test_what_only_sounds_like_a_secrets_name_stays(text: str) -> None:
    """Fields of ordinary data."""
    assert SecretKeeper().scrub(text) == text


@given(st.text(st.characters(codec=None, categories=None)))
def test_what_leaves_can_be_encoded(text: str) -> None:
    """Lone surrogates would make an exporter drop the whole batch."""
    SecretKeeper().scrub(text).encode()


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "wandb_api_key",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "token",
        "auth_token",
        "password",
        "passwd",
        "DB_PASS",
        "passphrase",
        "Authorization",
        "credentials",
        "extra_headers",
        "cookie",
        "private-key",
        "Ocp-Apim-Subscription-Key",
        "accessToken",
        "refreshToken",
        "clientSecret",
    ],
)
def test_names_of_secrets(name: str) -> None:
    """Names under which keys and headers are handed around."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "max_completion_tokens",
        "metric_key",
        "tokenizer",
        "keys",
        "num_trials",
        "bypass",
        "compass",
        "pass_at",
    ],
)
def test_names_of_parameters(name: str) -> None:
    """Ordinary parameters are recorded."""
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("no login: password=hunter2hunter2 host=db", f"no login: password={REDACTED} host=db"),
        ("api_key = abcd1234efgh, retry", f"api_key = {REDACTED}, retry"),
        (json.dumps("a\nclient_secret=abcd1234"), json.dumps(f"a\nclient_secret={REDACTED}")),
        (json.dumps("a\ntoken=abcd1234"), json.dumps(f"a\ntoken={REDACTED}")),
        ("{'accessToken': 'plain words'}", f"{{'accessToken': '{REDACTED}'}}"),
        ("login(user, password=password)", "login(user, password=password)"),
        ("token = tokenizer.decode2(ids)", "token = tokenizer.decode2(ids)"),
        ("max_tokens=12345678a", "max_tokens=12345678a"),
        ("headers=default_headers_2", "headers=default_headers_2"),
    ],
)
def test_what_is_assigned_to_a_secrets_name_in_a_text(text: str, scrubbed: str) -> None:
    """If it looks like a key; a program's own words stay."""
    assert SecretKeeper().scrub(text) == scrubbed


def test_the_tokens_of_a_url_are_known_without_it() -> None:
    """A user without a password, and what its query has under a secret's name."""
    keeper = SecretKeeper()
    keeper.learn_from({"api_base": "http://tok3nvalue99@host/v1?x=plain-words-of-it&api_key=plain%20secret"})
    texts = keeper.scrub("tok3nvalue99, plain-words-of-it, plain secret, plain%20secret")
    assert texts == f"{REDACTED}, plain-words-of-it, {REDACTED}, {REDACTED}"


class Login(pydantic.BaseModel):
    """As a tool takes it."""

    user: str
    password: pydantic.SecretStr


def test_a_mock_in_place_of_a_secret_is_not_called() -> None:
    """As the credentials of a tool under test: its calls are those of the program alone."""
    credentials = mock.NonCallableMagicMock()
    SecretKeeper().learn_arguments({"api_key": credentials})
    assert credentials.mock_calls == []


def test_secrets_inside_of_settings_and_arguments() -> None:
    """In dictionaries and models, also in each other; a schema of a secret is none."""
    keeper = SecretKeeper()
    keeper.learn_arguments(
        {
            "login": Login(user="quiet-river-stone", password=pydantic.SecretStr("tall oak tree")),
            "within": {"further": {"api_key": "green hill top", "token": "representation"}},
        }
    )
    keeper.learn_from(
        {"extra_body": {"auth": {"apiKey": "blue lake shore"}, "password": {"description": "a secret word"}}}
    )
    circle: dict[str, object] = {}
    circle |= {"within": circle, "password": circle}
    keeper.learn_arguments({"circle": circle})
    texts = keeper.scrub(
        "quiet-river-stone, tall oak tree, green hill top, representation, blue lake shore, a secret word"
    )
    assert texts == f"quiet-river-stone, {REDACTED}, {REDACTED}, representation, {REDACTED}, a secret word"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pass@host.example/v1?key=x", ("host.example", 443)),
        ("http://[::1]:4000/v1", ("::1", 4000)),
        ("http://host", ("host", 80)),
        ("grpc://host", ("host", None)),
        ("http://host:99999", (None, None)),
        ("http://[::1", (None, None)),
        ("host:8080", (None, None)),
        ("", (None, None)),
    ],
)
def test_host_and_port(url: str, expected: tuple[str | None, int | None]) -> None:
    """Where a request goes, and nothing of who makes it; what is no URL is nothing."""
    assert host_and_port(url) == expected


def test_a_text_is_searched_again_only_after_a_change() -> None:
    """Up to 16,384 characters, and for the 256 most recent texts; a secret that becomes known is removed at once."""
    keeper = SecretKeeper()
    word, longest, too_long = "a-word", "x" * 16_384, "x" * 16_385
    with mock.patch.object(scrubber, "without_shapes", wraps=patterns.without_shapes) as searched:

        def searches(text: str) -> int:
            before = searched.call_count
            keeper.scrub(text)
            return searched.call_count - before

        assert [searches(text) for text in (word, word, longest, longest, too_long, too_long)] == [1, 0, 1, 0, 1, 1]
        keeper.learn("geheim-geheim")
        assert (searches(word), keeper.scrub("a geheim-geheim")) == (1, f"a {REDACTED}")
        for number in range(256):
            keeper.scrub(f"text {number}")
        assert searches(word) == 1
