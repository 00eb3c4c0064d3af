"""Values that look like keys, credentials of headers, and headers that are secrets."""

from __future__ import annotations

import pytest

from otel_dspy.telemetry.secrets.names import (
    credentials,
    is_name_of_data,
    is_placeholder,
    is_secret_header,
    is_secret_in_text,
    looks_like_key,
)


@pytest.mark.parametrize(
    ("value", "is_key"),
    [
        ("abcd1234", True),
        ("abcd123", False),
        ("abcdefgh", False),
        ("12345678", False),
        ("abcd 1234", False),
        ("abcdefghij KLMNOPQRSTUV", False),
        ("http://abcd1234", False),
        ("ABCDEFGHIJKLMNOPQRST", True),
        ("ABCDEFGHIJKLMNOPQRS", False),
        ("quiet-river-stone-of-the-south", False),
        ("quiet_river_stone_of_the_south", False),
        ("quiet.river.stone.of.the.south", True),
        ("12345678901234567890", True),
        ("äöüäöü12", True),
    ],
)
def test_what_looks_like_a_key(value: str, *, is_key: bool) -> None:
    """At least 8 characters with letters and digits, or at least 20 that are no plain words; no spaces, no address."""
    assert looks_like_key(value) is is_key


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Bearer abc def", "abc def"),
        ("BASIC  abc ", "abc"),
        ("Token abc", "abc"),
        ("Digest abc", ""),
        ("abc", ""),
        ("", ""),
    ],
)
def test_credentials_of_a_header(header: str, found: str) -> None:
    """What follows one of three schemes."""
    assert credentials(header) == found


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("Content-Type", "abcd1234", False),
        ("ACCEPT", "abcd1234", False),
        ("User-Agent", "abcd1234", False),
        ("X-Api-Key", "two words", True),
        ("X-Api-Key", "lm-studio", False),
        ("X-Other", "abcd1234", True),
        ("X-Other", "bearer abcd1234", True),
        ("X-Other", "bearer words", False),
        ("X-Other", "words", False),
    ],
)
def test_which_headers_are_secrets(name: str, value: str, *, secret: bool) -> None:
    """By the name, unless the value is a placeholder; by the look of the value otherwise."""
    assert is_secret_header(name, value) is secret


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("password", "abcd1234", True),
        ("password", "words", False),
        ("headers", "abcd1234", False),
        ("title", "abcd1234", False),
    ],
)
def test_which_assignments_in_a_text_are_secrets(name: str, value: str, *, secret: bool) -> None:
    """A secret's name and a value that looks like a key: code assigns headers and variables too."""
    assert is_secret_in_text(name, value) is secret


@pytest.mark.parametrize(
    ("name", "of_data"),
    [("token", True), ("next_token", True), ("cookies", True), ("accessToken", True), ("password", False), ("api_key", False)],
)  # fmt: skip
def test_names_that_data_has_too(name: str, *, of_data: bool) -> None:
    """A token may be one of a text."""
    assert is_name_of_data(name) is of_data


@pytest.mark.parametrize(
    ("value", "placeholder"),
    [("ollama", True), ("lm-studio", True), ("a" * 11, True), ("a" * 12, False), ("not-needed-", False), ("x1", False)],
)
def test_placeholders(value: str, *, placeholder: bool) -> None:
    """One short word, or a few of together at most ten characters."""
    assert is_placeholder(value) is placeholder
