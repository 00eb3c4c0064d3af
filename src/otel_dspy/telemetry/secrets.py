"""Secrets never leave: what is recognised as one, and how it is taken out of a text."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote, urlsplit

from otel_dspy.plain import well_formed

if TYPE_CHECKING:
    from collections.abc import Iterable

REDACTED: Final = "[redacted]"

_SECRET_NAME: Final = re.compile(
    r"(api[_-]?key|access[_-]?key|private[_-]?key|subscription[_-]?key|secret|passw(or)?d|passphrase|(^|_)pass$|authorization|credential|cookie|bearer"
    r"|headers?$|(^|[_-])token$|auth[_-]?token)",
    re.IGNORECASE,
)
# Where a word begins, in JSON text too: what follows `\n` or `\u0007` there has a letter or digit before it.
_WORD: Final = r"(?:(?<![A-Za-z0-9_])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
# The shapes of keys that providers hand out: sk-..., hf_..., gh?_..., github_pat_..., AKIA..., xox?-..., AIza... A
# digit or capital tells a key from prose (`sk-circle-fade-animation`, "the bearer presented ..."). The look ahead is
# bounded: a long text of such words would take quadratic time.
_SECRET_SHAPE: Final = re.compile(
    _WORD + r"(?:sk-(?=[a-z_-]{0,63}[0-9A-Z])[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{16,}"
    r"|github_pat_[A-Za-z0-9_]{16,}|AKIA[0-9A-Z]{16}|xox[abpr]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{30,}"
    r"|(?i:bearer\s{1,8})(?=[A-Za-z._~+/=-]{0,255}[0-9])[A-Za-z0-9._~+/=-]{8,}"
    # A header by its name: then no shape is asked for.
    r"|(?i:authorization[\"'\\]{0,4}\s{0,8}[:=]\s{0,8}[\"'\\]{0,4}(?:bearer|basic|token)\s{1,8})"
    r"[A-Za-z0-9._~+/=-]{8,})"
)
# What every match of the pattern above holds. Looking for these first takes a fraction of the time.
_SECRET_MARKS: Final = ("AKIA", "xox", "AIza")
_SECRET_MARKS_UNDERSCORED: Final = ("hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")
_SECRET_MARKS_ANY_CASE: Final = ("bearer", "author")
# `sk-` alone stands in `task-list` too.
_SK_MARK: Final = re.compile(r"sk-[A-Za-z0-9_-]{16}")
# A quote or backslash ends a URL: in compact JSON the next `@` may belong to another field.
_URL_PASSWORD: Final = re.compile(r"(?<=://)[^\s/@:\"'\\<>]{0,256}:[^\s/\"'\\<>]{1,256}@")
# What JSON text or a dictionary's own text has under a secret's name, as in a tool's arguments: `"password": "..."`. In
# JSON inside JSON the quotes are escaped, and an escaped one ends the value; all repetitions are bounded or disjoint.
_NAMED: Final = re.compile(
    r"""(?P<named>["'](?:[\w-]{0,40}(?:(?:api|access|private|subscription)[_-]?key|secret|passw(?:or)?d|passphrase"""
    r"""|authorization|credential|cookie|bearer|auth[_-]?token)[\w-]{0,40}|(?:[\w-]{0,40}[_-])?(?:token|pass))"""
    r"""\\{0,8}["']\s{0,8}:\s{0,8})"""
    r"""(?:(?P<open>")(?:[^"\\]|\\.)+|(?P<single>')(?:[^'\\]|\\.)+|(?P<escaped>\\{1,8}["'])[^"'\\]*(?:\\+[^"'\\]+)*)""",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
_NAMED_MARKS: Final = ("key", "secret", "pass", "author", "credential", "cookie", "bearer", "token")
# Headers that say nothing secret; any other one may carry a key under a name of the provider's own.
_PLAIN_HEADERS: Final = frozenset({"accept", "content-type", "user-agent"})
# Shorter values stand in ordinary text by chance ("x", "test", "EMPTY").
_SHORTEST_KNOWN_SECRET: Final = 8
# A URL's user and password, the longest that the patterns ask for; a key of any length is known by its first part.
_LONGEST_SHAPE: Final = 1024
# Scrubbed texts that are remembered, and the length up to which they are: 4 MiB at most.
_SCRUBBED_TEXTS: Final = 256
_LONGEST_KEPT: Final = 16_384


class SecretKeeper:
    """Remembers the secret values that it has met and takes them out of texts.

    Values come from the environment, when the keeper is made, from `learn` and from `learn_from`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._spellings: tuple[str, ...] = ()
        self.longest = _LONGEST_SHAPE
        """Characters of the longest secret that is known or recognised; of a longer one each part is recognised."""
        self._scrub_known = lru_cache(maxsize=_SCRUBBED_TEXTS)(_scrub)
        self.learn_from(os.environ)

    def learn_from(self, settings: Mapping[str, object]) -> None:
        """Remember what stands under a secret's name, and the password of each value that is a URL."""
        for name, value in settings.items():
            if is_secret_name(name):
                self.learn(value)
            elif isinstance(value, str):
                self.learn_url(value)

    def learn_url(self, url: str) -> None:
        """Remember a URL's password, as it stands there and as it is meant: an error may tell it without the rest."""
        if "@" not in url or "://" not in url:
            return
        with contextlib.suppress(ValueError):
            password = urlsplit(url).password or ""
            self.learn([password, unquote(password)])

    def learn(self, value: object) -> None:
        """Remember a secret's value.

        Strings of 8 characters or more are remembered, also those in a list or in a mapping of headers, with and
        without their scheme (`Bearer ...`). Anything else is ignored.
        """
        if isinstance(value, str):
            self._learn_text(str.__str__(value))
        elif isinstance(value, Mapping):
            for name, item in cast("Mapping[object, object]", value).items():
                if str(name).lower() not in _PLAIN_HEADERS:
                    self.learn(item)
        elif isinstance(value, list | tuple | set | frozenset):
            for item in cast("Iterable[object]", value):
                self.learn(item)

    def scrub(self, text: str) -> str:
        """The text as it may leave: every known secret, key-shaped word and URL password replaced, and encodable."""
        # A program's instructions go out with every call, its inputs with each module on their way down.
        scrub = self._scrub_known if len(text) <= _LONGEST_KEPT else _scrub
        return scrub(text, self._spellings)

    def _learn_text(self, value: str) -> None:
        if len(value) < _SHORTEST_KNOWN_SECRET or value in self._known:
            return
        scheme, _, credentials = value.partition(" ")
        if scheme.lower() in {"bearer", "basic", "token"}:
            self._learn_text(credentials.strip())
        with self._lock:
            self._known.add(value)
            spellings = {spelling for known in self._known for spelling in _spellings(known)}
            # The longest first, or a secret that begins with another one would keep its tail.
            self._spellings = tuple(sorted(spellings, key=len, reverse=True))
            self.longest = max(_LONGEST_SHAPE, len(self._spellings[0]))


def _scrub(text: str, spellings: tuple[str, ...]) -> str:
    text = well_formed(text)
    for spelling in spellings:
        if spelling in text:
            text = text.replace(spelling, REDACTED)
    if "://" in text:
        text = _URL_PASSWORD.sub(f"{REDACTED}@", text)
    lowered = text.lower()
    if _may_hold_key(text, lowered):
        text = _SECRET_SHAPE.sub(REDACTED, text)
    return _NAMED.sub(_without_value, text) if _may_name_secret(text, lowered) else text


def _without_value(found: re.Match[str]) -> str:
    return f"{found['named']}{found['open'] or found['single'] or found['escaped']}{REDACTED}"


def _may_name_secret(text: str, lowered: str) -> bool:
    # A loop: every text is asked about, and a generator would take longer than all that it asks.
    for mark in _NAMED_MARKS:
        if mark in lowered:
            return '"' in text or "'" in text
    return False


def _may_hold_key(text: str, lowered: str) -> bool:
    for mark in _SECRET_MARKS:
        if mark in text:
            return True
    if "_" in text:
        for mark in _SECRET_MARKS_UNDERSCORED:
            if mark in text:
                return True
    for mark in _SECRET_MARKS_ANY_CASE:
        if mark in lowered:
            return True
    return "sk-" in text and _SK_MARK.search(text) is not None


def _spellings(secret: str) -> set[str]:
    """The secret as it stands in text, in JSON text and in JSON text inside JSON text."""
    spellings = {well_formed(secret)}
    for _ in range(2):
        spellings |= {json.dumps(text, ensure_ascii=escaped)[1:-1] for text in spellings for escaped in (False, True)}
    return spellings


@lru_cache(maxsize=1024)  # every keyword of every LM call is asked about
def is_secret_name(name: str) -> bool:
    """Whether a parameter, keyword or variable of this name holds a secret (`api_key` does, `max_tokens` doesn't)."""
    return _SECRET_NAME.search(name) is not None


@lru_cache(maxsize=128)  # a program has few, and each call asks
def host_and_port(url: str) -> tuple[str | None, int | None]:
    """The host and port of a URL, without its user, password, path or query; (None, None) if it has none."""
    if not url:
        return None, None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, None
    if not parts.hostname:
        return None, None
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.hostname, port if port is not None else default
