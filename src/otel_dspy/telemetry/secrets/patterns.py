"""Detection of unknown secrets in texts by pattern: key formats, URL passwords, and values after a secret's name."""

from __future__ import annotations

import re
from typing import Final

from otel_dspy.telemetry.secrets.names import is_secret_in_text, names_secret_in_query

REDACTED: Final = "[redacted]"

_IN_QUERY: Final = ("?", "&")
_CALLED: Final = ("(", "[", "{")

# Start of a word, also after an escape such as `\n` or `\u0007` in JSON, which ends with a letter or digit.
_WORD: Final = r"(?:(?<![A-Za-z0-9_])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
# Key formats of providers: sk-..., hf_..., gh?_..., github_pat_..., AKIA..., xox?-..., AIza... A digit or capital
# distinguishes a key from prose (`sk-circle-fade-animation`, "the bearer presented ..."). The lookahead is bounded,
# because a long text of such words would take quadratic time.
_SECRET_SHAPE: Final = re.compile(
    _WORD + r"(?:sk-(?=[a-z_-]{0,63}[0-9A-Z])[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{16,}"
    r"|github_pat_[A-Za-z0-9_]{16,}|AKIA[0-9A-Z]{16}|xox[abpr]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{30,}"
    r"|(?i:bearer\s{1,8})(?=[A-Za-z._~+/=-]{0,255}[0-9])[A-Za-z0-9._~+/=-]{8,}"
    # An authorization header matches with any value.
    r"|(?i:authorization[\"'\\]{0,4}\s{0,8}[:=]\s{0,8}[\"'\\]{0,4}(?:bearer|basic|token)\s{1,8})"
    r"[A-Za-z0-9._~+/=-]{8,})"
)
# Substrings of all matches of the pattern above: a fast pre-check.
_SECRET_MARKS: Final = ("AKIA", "xox", "AIza")
_SECRET_MARKS_UNDERSCORED: Final = ("hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")
_SECRET_MARKS_ANY_CASE: Final = ("bearer", "author")
# `sk-` alone occurs in `task-list` too.
_SK_MARK: Final = re.compile(r"sk-[A-Za-z0-9_-]{16}")
# A quote or backslash ends a URL: in compact JSON the next `@` may belong to another field.
# A user without a password can be a token if it has letters and digits, or at least 20 characters.
_URL_PASSWORD: Final = re.compile(
    r"(?<=://)(?:[^\s/@:\"'\\<>]{0,256}:[^\s/\"'\\<>]{1,256}"
    r"|(?=[^\s/@:?#\"'\\<>]{0,255}[0-9])(?=[^\s/@:?#\"'\\<>]{0,255}[A-Za-z])[^\s/@:?#\"'\\<>]{1,256}"
    r"|[^\s/@:?#\"'\\<>]{20,256})@"
)
# Value of a secret's name in JSON or the `str` of a dict, such as a tool's arguments: `"password": "..."`. In JSON
# inside JSON the quotes are escaped, and an escaped quote ends the value. All repetitions are bounded or disjoint.
_NAMED: Final = re.compile(
    r"""(?P<named>["'](?:[\w-]{0,40}(?:(?:api|access|private|subscription)[_-]?key|secret|passw(?:or)?d|passphrase"""
    r"""|authorization|credential|cookie|bearer|auth[_-]?token)[\w-]{0,40}|(?:[\w-]{0,40}[_-])?(?:token|pass)|[\w-]{0,40}(?-i:[a-z0-9]Token))"""
    r"""\\{0,8}["']\s{0,8}:\s{0,8})"""
    r"""(?:(?P<open>")(?:[^"\\]|\\.)+|(?P<single>')(?:[^'\\]|\\.)+|(?P<escaped>\\{1,8}["'])[^"'\\]*(?:\\+[^"'\\]+)*)""",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
# `password=...` in a URL's query or an error message. Each word is matched once, from its start.
_ASSIGNED: Final = re.compile(
    r"(?:(?<![\w\\-])|(?<=\\[bfnrt]))(?P<name>[\w-]{1,64})(?P<sign>\s?=\s?)(?P<value>[^\s\"'\\<>&;,()\[\]{}]{1,1024})",
    re.ASCII,
)
_NAMED_MARKS: Final = ("key", "secret", "pass", "author", "credential", "cookie", "bearer", "token")


def without_shapes(text: str) -> str:
    """Replace words with the format of a key, URL passwords, and values of secret names in a text."""
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
        # A value followed by a bracket is a call in source code.
        secret = is_secret_in_text(name, found["value"]) and text[found.end() : found.end() + 1] not in _CALLED
    return f"{name}{found['sign']}{REDACTED}" if secret else found[0]


def _without_value(found: re.Match[str]) -> str:
    return f"{found['named']}{found['open'] or found['single'] or found['escaped']}{REDACTED}"


def _may_name_secret(lowered: str) -> bool:
    # A loop, because this runs for every text and a generator takes longer than the comparisons.
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
