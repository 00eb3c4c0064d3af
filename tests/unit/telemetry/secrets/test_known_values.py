from __future__ import annotations

import time
import tracemalloc
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from otel_dspy.telemetry.secrets.patterns import REDACTED
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper

FLOOD = 3000


def flood(keeper: SecretKeeper, calls: int = FLOOD) -> str:
    """Calls with a header of its own each; the last one's value."""
    value = ""
    for _ in range(calls):
        value = str(uuid.uuid4())
        keeper.learn_from({"extra_headers": {"X-Request-Id": value}})
    return value


def test_what_each_call_brings_anew_is_forgotten_again() -> None:
    """Memory has a bound, and so has the time that a new value takes; the latest are known."""
    keeper = SecretKeeper()
    flood(keeper)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        began = time.thread_time()
        last = flood(keeper)
        took = time.thread_time() - began
        assert tracemalloc.get_traced_memory()[0] - before < 500_000
    finally:
        tracemalloc.stop()
    assert took / FLOOD < 0.001  # it was 50 times as much
    assert keeper.scrub(f"request {last}") == f"request {REDACTED}"


def test_keys_outlive_a_flood_of_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the environment and those that a model was given by name."""
    monkeypatch.setenv("SERVICE_PASSWORD", "tall oak tree")
    keeper = SecretKeeper()
    keeper.learn_from({"api_key": "quiet-river-stone"})
    keeper.learn_from({"api_base": "http://ann:green%20hill@host/v1"})
    flood(keeper)
    assert keeper.scrub("tall oak tree, quiet-river-stone, green hill") == f"{REDACTED}, {REDACTED}, {REDACTED}"


def test_the_environment_outlives_keys_that_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens that are renewed all the time push out each other alone, and the oldest first."""
    monkeypatch.setenv("SERVICE_PASSWORD", "tall oak tree")
    keeper = SecretKeeper()
    keeper.learn_from({"api_key": "quiet-river-stone"})
    tokens = [f"key of the hour {number}" for number in range(FLOOD)]
    for token in tokens:
        keeper.learn_from({"api_key": token})
    assert keeper.scrub(f"tall oak tree, {tokens[-1]}, {tokens[-200]}") == f"{REDACTED}, {REDACTED}, {REDACTED}"
    assert keeper.scrub("quiet-river-stone") == "quiet-river-stone"


def test_what_is_met_again_is_not_forgotten() -> None:
    """A header that stands in each call stays known while others come and go."""
    keeper = SecretKeeper()
    for _ in range(FLOOD):
        keeper.learn_from({"headers": {"X-Partner": "partner-7391", "X-Request-Id": str(uuid.uuid4())}})
    flood(keeper, 100)
    assert keeper.scrub("partner-7391") == REDACTED


def test_a_header_that_is_a_models_key_too_stays() -> None:
    """The more lasting of the places where a value was met decides, in either order."""
    keeper = SecretKeeper()
    keeper.learn_from({"headers": {"X-Own": "first-key-1"}})
    keeper.learn_from({"api_key": "first-key-1"})
    keeper.learn_from({"api_key": "second-key-2"})
    keeper.learn_from({"headers": {"X-Own": "second-key-2"}})
    flood(keeper)
    assert keeper.scrub("first-key-1, second-key-2") == f"{REDACTED}, {REDACTED}"


def test_what_is_met_again_costs_next_to_nothing() -> None:
    """Every call of a model has the same keywords."""
    keeper = SecretKeeper()
    flood(keeper)
    keywords: dict[str, object] = {"api_key": "quiet-river-stone", "temperature": 0.0, "max_tokens": 100}
    keywords["extra_headers"] = {"X-Title": "question answering", "X-Partner": "partner-7391"}
    keeper.learn_from(keywords)
    began = time.thread_time()
    for _ in range(10_000):
        keeper.learn_from(keywords)
    assert (time.thread_time() - began) / 10_000 < 0.0001


def test_hundreds_of_values_leave_texts_cheap() -> None:
    """One of the usual length, that has not been seen before."""
    keeper = SecretKeeper()
    flood(keeper)
    text = "A prompt of the usual length. " * 60
    began = time.thread_time()
    for number in range(200):
        keeper.scrub(f"{text}{number}")
    assert (time.thread_time() - began) / 200 < 0.002


def test_a_text_is_scrubbed_of_what_is_learned_after_it_was_seen() -> None:
    """A remembered answer never outlives what is known."""
    keeper = SecretKeeper()
    assert keeper.scrub("partner-7391") == "partner-7391"
    keeper.learn_from({"api_key": "partner-7391"})
    assert keeper.scrub("partner-7391") == REDACTED


def test_threads_learn_and_scrub_at_once() -> None:
    """Nothing is lost or raised."""
    keeper = SecretKeeper()

    def work(number: int) -> None:
        for round_ in range(50):
            secret = f"secret-{number}-{round_}"
            keeper.learn_from({"headers": {"X-Own": secret}})
            assert keeper.scrub(f"<{secret}>") == f"<{REDACTED}>"

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


@pytest.mark.parametrize(
    "header",
    [
        ("X-Environment", "production"),
        ("X-Title", "question answering"),
        ("X-Project", "my-question-answering-service"),
        ("HTTP-Referer", "https://example.com/question/answering"),
        ("X-Day", "2026-11-27"),
        ("X-Short", "ab12"),
    ],
)
def test_ordinary_headers_are_no_secrets(header: tuple[str, str]) -> None:
    """Words, titles, addresses and dates of headers stand in ordinary text too."""
    keeper = SecretKeeper()
    keeper.learn_from({"headers": dict([header]), "extra_headers": [header]})
    text = f"{header[1]}, {header[0]}"
    assert keeper.scrub(text) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Request-Id", "5f1c6f0e-0000-4000-8000-000000000001"),
        ("X-Partner", "partner7"),
        ("X-Own", "abcdefghijklMNOPqrstuvwxyz"),
        ("X-Upstream", "Bearer partner7"),
        ("X-Upstream-Url", "http://ann:tall%20oak@host"),
        ("x-api-key", "correct horse"),
        ("Authorization", "Bearer correct-horse"),
        ("Cookie", "session=correct horse"),
    ],
)
def test_headers_with_keys_are_secrets(name: str, value: str) -> None:
    """By their name, or by the look of their value; as a mapping and as pairs."""
    for headers in ({name: value}, [(name, value)]):
        keeper = SecretKeeper()
        keeper.learn_from({"extra_headers": headers})
        assert REDACTED in keeper.scrub(f"<{value}>")
        assert keeper.scrub(f"{name}") == name


@pytest.mark.parametrize("value", ["lm-studio", "not-needed", "not_needed", "anything", "ollama", "postgres"])
def test_placeholders_are_no_secrets(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server without a lock is given as a key."""
    monkeypatch.setenv("LOCAL_API_KEY", value)
    keeper = SecretKeeper()
    keeper.learn_from({"api_key": value, "headers": {"Authorization": f"Bearer {value}"}})
    keeper.learn_arguments({"password": value})
    assert keeper.scrub(f"with {value} on it") == f"with {value} on it"


@pytest.mark.parametrize(
    ("name", "value", "known"),
    [
        ("token", "question", False),
        ("token", "question answering", False),
        ("cookie", "chocolate chips", False),
        ("next_token", "representation", False),
        ("token", "abcd1234", True),
        ("token", "abcdefghijklMNOPqrstuvwxyz", True),
        ("password", "correct horse", True),
        ("api_key", "quiet-river-stone", True),
        ("address", "http://ann:tall%20oak@host", True),
    ],
)
def test_secrets_among_arguments_of_a_tool(name: str, value: str, known: bool) -> None:  # noqa: FBT001 - a table's column
    """A token may be one of a text: unless it looks like a key it is no secret elsewhere. A password is one."""
    keeper = SecretKeeper()
    keeper.learn_arguments({name: value})
    assert (REDACTED in keeper.scrub(f"told: {value}, tall oak")) is known
