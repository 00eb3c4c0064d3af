"""What is a secret: by the name that it stands under, and by its look where the name says little."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

SHORTEST_SECRET: Final = 8
"""Shorter values stand in ordinary text by chance ("x", "test", "EMPTY")."""
_SECRET_NAME: Final = re.compile(
    r"(api[_-]?key|access[_-]?key|private[_-]?key|subscription[_-]?key|secret|passw(or)?d|passphrase|(^|_)pass$|authorization|credential|cookie|bearer"
    r"|headers?$|(^|[_-])token$|auth[_-]?token|(?-i:[a-z0-9]Token)$)",
    re.IGNORECASE,
)
# Names that ordinary data has too: a word of a text is a token, and a cookie may be one to eat.
_DATA_NAME: Final = re.compile(r"(^|[_-])(token|pass|cookies?|bearer)$|(?-i:[a-z0-9]Token)$", re.IGNORECASE)
_HEADERS: Final = re.compile(r"headers?$", re.IGNORECASE)
# Headers that say nothing secret; any other one may carry a key under a name of the provider's own.
_PLAIN_HEADERS: Final = frozenset({"accept", "content-type", "user-agent"})
# All repetitions are disjoint: a long value takes linear time.
_WORDS: Final = re.compile(r"[a-z]+(?:[ _-][a-z]+)*")
_LETTER: Final = re.compile(r"[^\W\d_]")
_DIGIT: Final = re.compile(r"\d")
_SPACE: Final = re.compile(r"\s")
_SHORTEST_WITHOUT_DIGITS: Final = 20
# `lm-studio`, `not-needed`, `postgres`: what servers without a lock are given.
_PLACEHOLDER: Final = re.compile(r"[a-z]{1,11}|(?=.{1,10}\Z)[a-z]+(?:[_-][a-z]+)+")


@lru_cache(maxsize=1024)  # every keyword of every LM call is asked about
def is_secret_name(name: str) -> bool:
    """Whether a parameter, keyword or variable of this name holds a secret (`api_key` does, `max_tokens` doesn't)."""
    return _SECRET_NAME.search(name) is not None


def is_secret_in_text(name: str, value: str) -> bool:
    """Whether a text's own `name=value` is a secret: then the value must look like a key, for the text may be code."""
    return _SECRET_NAME.search(name) is not None and not holds_headers(name) and looks_like_key(value)


def names_secret_in_query(name: str) -> bool:
    """Whether a parameter of a URL's query is a secret by its name, whatever its value."""
    return _SECRET_NAME.search(name) is not None


def is_name_of_data(name: str) -> bool:
    """Whether a secret's name is one of ordinary data as well, as `token` is."""
    return _DATA_NAME.search(name) is not None


def holds_headers(name: str) -> bool:
    """Whether what stands under the name are headers by their names."""
    return _HEADERS.search(name) is not None


def is_plain_header(name: str) -> bool:
    """Whether a header of this name never holds a secret."""
    return name.lower() in _PLAIN_HEADERS


@lru_cache(maxsize=1024)  # every header of every LM call is asked about
def is_secret_header(name: str, value: str) -> bool:
    """Whether the header is a secret: by its name, or because its value looks like a key, with or without a scheme."""
    if is_plain_header(name):
        return False
    if is_secret_name(name):
        return not is_placeholder(value)
    return looks_like_key(value) or looks_like_key(credentials(value))


def looks_like_key(value: str) -> bool:
    """Whether a value is a key by its look, whatever its name: no word, title or address.

    It has no whitespace, and letters and digits in eight characters or more, or else twenty that are no plain words.
    """
    if len(value) < SHORTEST_SECRET or _SPACE.search(value) or "://" in value:
        return False
    if _DIGIT.search(value) and _LETTER.search(value):
        return True
    return len(value) >= _SHORTEST_WITHOUT_DIGITS and _WORDS.fullmatch(value) is None


@lru_cache(maxsize=1024)
def is_placeholder(value: str) -> bool:
    """Whether a value under a secret's name is a short word or two that say nothing, such as `lm-studio`."""
    return _PLACEHOLDER.fullmatch(value) is not None


def credentials(value: str) -> str:
    """What follows a header's scheme; nothing where there is none."""
    scheme, _, alone = value.partition(" ")
    return alone.strip() if scheme.lower() in {"bearer", "basic", "token"} else ""
