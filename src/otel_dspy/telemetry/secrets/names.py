"""Classification of secrets by name, and by the form of the value where the name is ambiguous."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

SHORTEST_SECRET: Final = 8
"""Shorter values occur in ordinary text ("x", "test", "EMPTY")."""
_SECRET_NAME: Final = re.compile(
    r"(api[_-]?key|access[_-]?key|private[_-]?key|subscription[_-]?key|secret|passw(or)?d|passphrase|(^|_)pass$|authorization|credential|cookie|bearer"
    r"|headers?$|(^|[_-])token$|auth[_-]?token|(?-i:[a-z0-9]Token)$)",
    re.IGNORECASE,
)
# Names that ordinary data can have too, such as the tokens of a text.
_DATA_NAME: Final = re.compile(r"(^|[_-])(token|pass|cookies?|bearer)$|(?-i:[a-z0-9]Token)$", re.IGNORECASE)
_HEADERS: Final = re.compile(r"headers?$", re.IGNORECASE)
# Headers that are never secret; any other header may carry a key under a provider-specific name.
_PLAIN_HEADERS: Final = frozenset({"accept", "content-type", "user-agent"})
# All repetitions are disjoint: a long value takes linear time.
_WORDS: Final = re.compile(r"[a-z]+(?:[ _-][a-z]+)*")
_LETTER: Final = re.compile(r"[^\W\d_]")
_DIGIT: Final = re.compile(r"\d")
_SPACE: Final = re.compile(r"\s")
_SHORTEST_WITHOUT_DIGITS: Final = 20
# `lm-studio`, `not-needed`, `postgres`: placeholders for servers without authentication.
_PLACEHOLDER: Final = re.compile(r"[a-z]{1,11}|(?=.{1,10}\Z)[a-z]+(?:[_-][a-z]+)+")


@lru_cache(maxsize=1024)  # called for every keyword of every LM call
def is_secret_name(name: str) -> bool:
    """Return whether a parameter, keyword or variable of this name is a secret (`api_key`, but not `max_tokens`)."""
    return _SECRET_NAME.search(name) is not None


def is_secret_in_text(name: str, value: str) -> bool:
    """Return whether `name=value` in a text is a secret. The value must look like a key, since the text may be code."""
    return _SECRET_NAME.search(name) is not None and not holds_headers(name) and looks_like_key(value)


def names_secret_in_query(name: str) -> bool:
    """Return whether a query parameter of this name is a secret."""
    return _SECRET_NAME.search(name) is not None


def is_name_of_data(name: str) -> bool:
    """Return whether a secret's name is ambiguous because ordinary data can have it, such as `token`."""
    return _DATA_NAME.search(name) is not None


def holds_headers(name: str) -> bool:
    """Return whether a value of this name contains headers."""
    return _HEADERS.search(name) is not None


def is_plain_header(name: str) -> bool:
    """Return whether a header of this name is never a secret."""
    return name.lower() in _PLAIN_HEADERS


@lru_cache(maxsize=1024)  # called for every header of every LM call
def is_secret_header(name: str, value: str) -> bool:
    """Return whether a header is a secret by its name, or its value looks like a key, with or without a scheme."""
    if is_plain_header(name):
        return False
    if is_secret_name(name):
        return not is_placeholder(value)
    return looks_like_key(value) or looks_like_key(credentials(value))


def looks_like_key(value: str) -> bool:
    """Return whether a value has the form of a key, as opposed to a word, a title or a URL.

    It contains no whitespace, and either at least 8 characters with letters and digits, or at least 20 that are not
    plain words.
    """
    if len(value) < SHORTEST_SECRET or _SPACE.search(value) or "://" in value:
        return False
    if _DIGIT.search(value) and _LETTER.search(value):
        return True
    return len(value) >= _SHORTEST_WITHOUT_DIGITS and _WORDS.fullmatch(value) is None


@lru_cache(maxsize=1024)
def is_placeholder(value: str) -> bool:
    """Return whether the value of a secret's name is a placeholder of one or two short words, such as `lm-studio`."""
    return _PLACEHOLDER.fullmatch(value) is not None


def credentials(value: str) -> str:
    """Return the credentials after a header's scheme; empty if there is no scheme."""
    scheme, _, alone = value.partition(" ")
    return alone.strip() if scheme.lower() in {"bearer", "basic", "token"} else ""
