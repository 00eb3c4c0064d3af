from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass
from typing import Any, NoReturn

import dspy
import pytest
from dspy.utils.exceptions import AdapterParseError
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import INVALID_SPAN, StatusCode

from otel_dspy.settings import Settings
from otel_dspy.telemetry.content.content_filter import ContentFilter
from otel_dspy.telemetry.exceptions import describe, error_message, error_type, forget, mark_failed
from otel_dspy.telemetry.secrets.patterns import REDACTED
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper

PLAIN = ContentFilter(Settings(), SecretKeeper())


class UnspeakableError(Exception):
    """Cannot be turned into text."""

    def __str__(self) -> str:
        """Raise."""
        raise RuntimeError


@dataclass(frozen=True)
class FrozenError(Exception):
    """Takes no attributes."""

    code: int


def fail(number: int) -> NoReturn:
    """Raise."""
    raise ValueError(number)


class SecretiveError(Exception):
    """Raises when it is asked for what it hasn't got."""

    def __getattr__(self, name: str) -> NoReturn:
        """Raise."""
        raise RuntimeError(name)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError("x"), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (FrozenError(1), f"{__name__}.FrozenError"),
    ],
)
def test_error_type_is_the_class_with_its_module(error: BaseException, name: str) -> None:
    """Builtin exceptions stand without a module, as OpenTelemetry's exception events write them."""
    assert error_type(error) == name


def test_the_text_of_any_exception() -> None:
    """Also of one whose text cannot be had, and of an empty one."""
    assert [describe(error) for error in (ValueError("x"), ValueError(), UnspeakableError())] == [
        "x",
        "",
        "UnspeakableError",
    ]


def test_a_message_is_logged_once_and_without_secrets() -> None:
    """The first span that records the error has its message; those around have only the type."""
    secrets = SecretKeeper()
    secrets.learn("planted-secret")
    content = ContentFilter(Settings(), secrets)
    error = ValueError("wrong key planted-secret")
    assert [error_message(error, content), error_message(error, content)] == [f"wrong key {REDACTED}", None]


def test_two_exceptions_in_turn_are_recorded_once_each() -> None:
    """A handler's own failure in between doesn't make the first one's message come again."""
    first, second = ValueError("first"), ValueError("second")
    recorded = [error_message(error, PLAIN) for error in (first, first, second, second)]
    assert recorded == ["first", None, "second", None]


def test_a_loop_of_failures_loses_no_message() -> None:
    """Each exception is freed before the next is raised, which then often stands at the same address."""
    recorded: list[str | None] = []
    for number in range(100):
        try:
            fail(number)
        except ValueError as error:
            recorded.append(error_message(error, PLAIN))
    assert recorded == [str(number) for number in range(100)]


@pytest.mark.parametrize("kind", [FrozenError, SecretiveError])
def test_exceptions_with_unusual_methods_are_recorded_once_too(kind: type[Exception]) -> None:
    """A frozen dataclass takes no attribute, and a class may raise for one that it lacks."""
    error = kind(1)
    assert [error_message(error, PLAIN), error_message(error, PLAIN)] == [str(error), None]


@pytest.mark.usefixtures("only_own_garbage")
def test_no_exception_is_kept_alive() -> None:
    """The user's frames, which an exception holds, go when the outermost call has ended."""

    class Local:
        """Stands in a frame of the user's."""

    def failed() -> weakref.ref[Local]:
        local = Local()
        try:
            fail(1)
        except ValueError as error:
            error_message(error, PLAIN)
        return weakref.ref(local)

    reference = failed()
    forget()
    gc.collect()
    assert reference() is None


def span_of(error: BaseException) -> ReadableSpan:
    """A span that was marked."""
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("work")
    mark_failed(span, error, PLAIN)
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


def test_marked_spans() -> None:
    """Type and status on every span, the message on the innermost, and a dropped span doesn't use it up."""
    error = ValueError("text")
    mark_failed(INVALID_SPAN, error, PLAIN)
    inner, outer = span_of(error), span_of(error)
    for span in (inner, outer):
        assert span.attributes == {"error.type": "ValueError"}
        assert span.status.status_code is StatusCode.ERROR
    assert (inner.status.description, outer.status.description) == ("text", None)


def test_a_message_is_redacted_and_cut() -> None:
    """By the user's redactor, under the name of the attribute of exceptions, and to the length of all content."""
    names: list[str] = []

    def redact(name: str, text: str) -> str:
        names.append(name)
        return text.replace("max@example.org", "<mail>")

    filtered = ContentFilter(Settings(redact=redact, max_content_length=20), SecretKeeper())
    assert error_message(ValueError("no mail to max@example.org, as I say"), filtered) == "no mail to <mail>, a"
    assert names == ["exception.message"]


def test_a_message_of_any_length_is_cut_before_it_is_looked_at() -> None:
    """Of 30 MB the beginning is recorded, without delay, and no secret at its edge is cut in half."""
    secrets = SecretKeeper()
    secrets.learn("planted-secret")
    seen: list[int] = []

    def redact(_name: str, text: str) -> str:
        seen.append(len(text))
        return text

    for limit in (None, 100_000):
        content = ContentFilter(Settings(max_content_length=limit, redact=redact), secrets)
        message = error_message(ValueError("x1 y2 " * 5_000_000), content)
        assert message is not None
        assert len(message) == 8192
        edge = error_message(ValueError("-" * 8185 + "planted-secret" + "-" * 100_000), content)
        assert edge is not None
        assert "planted" not in edge
    assert max(seen) < 20_000


def test_an_error_of_the_users_with_an_answer_keeps_its_message() -> None:
    """Only DSPy's own parse errors are known to repeat the answer: another error's text is what there is to say."""
    error = ValueError("no such table")
    vars(error)["lm_response"] = "whatever"
    assert describe(error) == "no such table"


def test_a_parse_error_does_not_repeat_the_models_answer() -> None:
    """DSPy's message holds the answer, which may be content that must not leave: the field that is missing is named."""
    signature: Any = dspy.Signature
    error = AdapterParseError("ChatAdapter", signature("question -> answer"), "My secret diary.", "at 'My secret'")
    assert "My secret diary." in str(error)
    assert describe(error) == "ChatAdapter could not parse the model's answer; it should have held: answer"
