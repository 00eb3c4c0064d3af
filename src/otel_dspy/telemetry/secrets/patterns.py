"""Secrets that nobody has told of: known by their shape, or by the name that stands before them in a text."""

from __future__ import annotations

import re
from typing import Final

from otel_dspy.telemetry.secrets.names import is_secret_in_text, names_secret_in_query

REDACTED: Final = "[redacted]"

_IN_QUERY: Final = ("?", "&")
_CALLED: Final = ("(", "[", "{")

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
# A user alone may be a token: then it has letters and digits, or twenty characters.
_URL_PASSWORD: Final = re.compile(
    r"(?<=://)(?:[^\s/@:\"'\\<>]{0,256}:[^\s/\"'\\<>]{1,256}"
    r"|(?=[^\s/@:?#\"'\\<>]{0,255}[0-9])(?=[^\s/@:?#\"'\\<>]{0,255}[A-Za-z])[^\s/@:?#\"'\\<>]{1,256}"
    r"|[^\s/@:?#\"'\\<>]{20,256})@"
)
# What JSON text or a dictionary's own text has under a secret's name, as in a tool's arguments: `"password": "..."`. In
# JSON inside JSON the quotes are escaped, and an escaped one ends the value; all repetitions are bounded or disjoint.
_NAMED: Final = re.compile(
    r"""(?P<named>["'](?:[\w-]{0,40}(?:(?:api|access|private|subscription)[_-]?key|secret|passw(?:or)?d|passphrase"""
    r"""|authorization|credential|cookie|bearer|auth[_-]?token)[\w-]{0,40}|(?:[\w-]{0,40}[_-])?(?:token|pass)|[\w-]{0,40}(?-i:[a-z0-9]Token))"""
    r"""\\{0,8}["']\s{0,8}:\s{0,8})"""
    r"""(?:(?P<open>")(?:[^"\\]|\\.)+|(?P<single>')(?:[^'\\]|\\.)+|(?P<escaped>\\{1,8}["'])[^"'\\]*(?:\\+[^"'\\]+)*)""",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
# `password=...`, in a URL's query or in the text of an error. A word is looked at once, from its beginning.
_ASSIGNED: Final = re.compile(
    r"(?:(?<![\w\\-])|(?<=\\[bfnrt]))(?P<name>[\w-]{1,64})(?P<sign>\s?=\s?)(?P<value>[^\s\"'\\<>&;,()\[\]{}]{1,1024})",
    re.ASCII,
)
_NAMED_MARKS: Final = ("key", "secret", "pass", "author", "credential", "cookie", "bearer", "token")


def without_shapes(text: str) -> str:
    """The text without key-shaped words, URL passwords and what stands under a secret's name."""
    if "://" in text:
        text = _URL_PASSWORD.sub(f"{REDACTED}@", text)
    lowered = text.lower()
    if _may_hold_key(text, lowered):
        text = _SECRET_SHAPE.sub(REDACTED, text)
    if not _may_name_secret(lowered):
        return text
    if '"' in text or "'" in text:
        text = _NAMED.sub(_without_value, text)
    return _ASSIGNED.sub(_without_assigned, text) if "=" in text else text


def _without_assigned(found: re.Match[str]) -> str:
    text, name = found.string, found["name"]
    if text[max(found.start() - 1, 0) : found.start()] in _IN_QUERY:
        secret = names_secret_in_query(name)
    else:
        # What goes on with a bracket is a program's call.
        secret = is_secret_in_text(name, found["value"]) and text[found.end() : found.end() + 1] not in _CALLED
    return f"{name}{found['sign']}{REDACTED}" if secret else found[0]


def _without_value(found: re.Match[str]) -> str:
    return f"{found['named']}{found['open'] or found['single'] or found['escaped']}{REDACTED}"


def _may_name_secret(lowered: str) -> bool:
    # A loop: every text is asked about, and a generator would take longer than all that it asks.
    for mark in _NAMED_MARKS:  # noqa: SIM110 - see above
        if mark in lowered:
            return True
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
