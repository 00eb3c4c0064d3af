"""Secrets never leave: what is recognised as one, and how it is taken out of a text."""

from __future__ import annotations

import os
import re
from typing import Final
from urllib.parse import urlsplit

REDACTED: Final = "[redacted]"

_SECRET_NAME: Final = re.compile(
    r"(api[_-]?key|access[_-]?key|private[_-]?key|secret|passw(or)?d|authorization|credential|cookie|bearer"
    r"|headers?$|(^|[_-])token$|auth[_-]?token)",
    re.IGNORECASE,
)
# The shapes of keys that providers hand out: sk-..., hf_..., gh?_..., AKIA..., xox?-..., and a bearer header.
_SECRET_SHAPE: Final = re.compile(
    r"\b(sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|AKIA[0-9A-Z]{16}"
    r"|xox[abpr]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{30,})|(?i:\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}"
)
_URL_PASSWORD: Final = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]+@", re.IGNORECASE)
# Shorter values stand in ordinary text by chance ("x", "test", "EMPTY").
_SHORTEST_KNOWN_SECRET: Final = 8


class SecretKeeper:
    """Remembers the secret values that it has met and takes them out of texts.

    Values come from environment variables with a secret's name, when the keeper is made, and from `learn`.
    """

    def __init__(self) -> None:
        self._values: frozenset[str] = frozenset(
            value for name, value in os.environ.items() if is_secret_name(name) and len(value) >= _SHORTEST_KNOWN_SECRET
        )

    def learn(self, value: object) -> None:
        """Remember a secret's value; anything but a string of 8 characters or more is ignored."""
        if isinstance(value, str) and len(value) >= _SHORTEST_KNOWN_SECRET and value not in self._values:
            self._values |= {value}

    def scrub(self, text: str) -> str:
        """Return the text with every known secret, key-shaped word and URL password replaced."""
        for value in self._values:
            if value in text:
                text = text.replace(value, REDACTED)
        if "://" in text:
            text = _URL_PASSWORD.sub(rf"\1{REDACTED}@", text)
        return _SECRET_SHAPE.sub(REDACTED, text)


def is_secret_name(name: str) -> bool:
    """Whether a parameter, keyword or variable of this name holds a secret (`api_key` does, `max_tokens` doesn't)."""
    return _SECRET_NAME.search(name) is not None


def host_and_port(url: str) -> tuple[str | None, int | None]:
    """The host and port of a URL, without its user, password, path or query; (None, None) if it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, None
    if not parts.hostname:
        return None, None
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.hostname, port if port is not None else default
