"""Scrubber that collects known secrets and removes them from texts before export."""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.json_types import is_collection, is_mapping, is_object, is_sequence
from otel_dspy.serialization.plain_data import well_formed
from otel_dspy.telemetry.secrets.discovery import SeenObjects, attributes, defaults, named_in, parts, tools
from otel_dspy.telemetry.secrets.known_values import CALL, ENVIRONMENT, SETTING, KnownSecrets
from otel_dspy.telemetry.secrets.names import (
    SHORTEST_SECRET,
    credentials,
    holds_headers,
    is_name_of_data,
    is_placeholder,
    is_plain_header,
    is_secret_header,
    is_secret_name,
    looks_like_key,
    names_secret_in_query,
)
from otel_dspy.telemetry.secrets.patterns import REDACTED, without_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.telemetry.secrets.known_values import Origin

# Longest match of the patterns: a URL's user and password. A longer key is recognized by its first part.
_LONGEST_SHAPE: Final = 1024
# Number of cached scrubbed texts and their maximum length: 4 MiB at most.
_SCRUBBED_TEXTS: Final = 256
_LONGEST_KEPT: Final = 16_384
# Maximum nesting of settings.
_LEVELS: Final = 3
# Frequent types that are not searched for nested settings.
_PLAIN: Final = frozenset({bool, int, float, list, type(None)})


class SecretKeeper:
    """Collects secret values and removes them from texts.

    Values come from the environment at creation, and from the `learn` methods. Values of the environment are kept
    forever; of settings the 256 most recently used are kept, and of headers and arguments as many.
    """

    def __init__(self) -> None:
        self.known = KnownSecrets()
        """The secrets; `known.changes` changes with each one that is added."""
        self._seen = SeenObjects()
        self._scrub_known = lru_cache(maxsize=_SCRUBBED_TEXTS)(self._scrub)
        self._learn_from(os.environ, ENVIRONMENT)

    @property
    def longest(self) -> int:
        """Length in characters of the longest secret that can be matched as a whole; longer ones match by parts."""
        spellings = self.known.spellings
        return max(_LONGEST_SHAPE, len(spellings[0])) if spellings else _LONGEST_SHAPE

    def learn_from(self, settings: Mapping[str, object]) -> None:
        """Add the values of secret names, and the secrets in values that are URLs.

        Dictionaries and pydantic models are searched three levels deep. Of headers, those are added that
        have a secret's name or look like a key.
        """
        self._learn_from(settings, SETTING)

    def learn_arguments(self, arguments: Mapping[str, object]) -> None:
        """Add the secrets in a tool's arguments. A value named `token` must look like a key, since it may be a word."""
        self._learn_from(arguments, CALL)

    def learn_held(self, holder: object) -> None:
        """Add the attributes of an object that have a secret's name, on the first call for the object.

        Includes the objects that it delegates to, such as a model's engine, and the default arguments of a tool.
        """
        if self._seen.is_first(holder):
            with guarded("the search for secrets in a model or tool"):
                for name, value in (*attributes(holder), *defaults(holder)):
                    self._learn_from({name: value}, SETTING)
                for tool in tools(holder):
                    self.learn_held(tool)

    def learn_program(self, program: object) -> None:
        """Add the secrets of each module in a program and of its tools, like `learn_held`."""
        with guarded("the search for secrets in a program"):
            for part in parts(program):
                self.learn_held(part)

    def learn_url(self, url: str) -> None:
        """Add a URL's password or token, both percent-encoded and decoded.

        An error message can contain it without the rest of the URL.
        """
        if "://" in url:
            self._learn_url(url, SETTING)

    def learn(self, value: object) -> None:
        """Add a secret value.

        Strings of at least 8 characters are added, including those in a list or mapping, with and without a scheme
        (`Bearer ...`). Other values and placeholders such as `lm-studio` are ignored.
        """
        self._learn(value, SETTING)

    def scrub(self, text: str) -> str:
        """Replace known secrets, words with the format of a key and URL passwords; make the text encodable."""
        # Cached, because instructions are recorded with every call, and inputs with each nested module.
        return self._scrub_known(text, self.known.changes) if len(text) <= _LONGEST_KEPT else self._scrub(text)

    def _scrub(self, text: str, _changes: int = 0) -> str:
        """Scrub a text; `_changes`, the version of the known secrets, is only a cache key."""
        text = well_formed(text)
        for spelling in self.known.spellings:
            if spelling in text:
                text = text.replace(spelling, REDACTED)
        return without_shapes(text)

    def _learn_from(self, settings: Mapping[str, object], origin: Origin, levels: int = _LEVELS) -> None:
        for name, value in settings.items():
            if not is_secret_name(name):
                if isinstance(value, str):
                    if "://" in value:
                        self._learn_url(value, origin)
                elif type(value) not in _PLAIN and levels and name != "response_format":
                    self._learn_from(named_in(value), origin, levels - 1)
            elif isinstance(value, str):
                # A tool's argument named `token` may be a word of a text.
                known = self.known.use(value, origin)
                if not known and (origin != CALL or not is_name_of_data(name) or looks_like_key(value)):
                    self._learn(value, origin)
            else:
                self._learn_parts(name, value, origin, levels)

    def _learn_parts(self, name: str, value: object, origin: Origin, levels: int) -> None:
        headers = _headers(value) if holds_headers(name) else None
        if headers is not None:
            self._learn_headers(headers)
        elif levels == _LEVELS or not is_object(value):
            self._learn(value, origin)
        elif levels:
            # Nested in settings it may be the schema of a secret: `{"password": {"type": "string"}}`.
            self._learn_from(named_in(value), origin, levels - 1)

    def _learn_headers(self, headers: Mapping[str, object]) -> None:
        for name, value in headers.items():
            if not isinstance(value, str):
                if is_secret_name(str(name)):
                    self._learn(value, CALL)
            elif not self.known.use(value, CALL):
                if is_secret_header(str(name), value):
                    self._learn_text(value, CALL)
                elif "://" in value:
                    self._learn_url(value, CALL)

    def _learn_url(self, url: str, origin: Origin) -> None:
        if "@" not in url and "?" not in url:
            return
        with contextlib.suppress(ValueError):
            address = urlsplit(url)
            secrets = [address.password or ""]
            if address.username and address.password is None and looks_like_key(address.username):
                secrets.append(address.username)
            if address.netloc:
                pairs = (pair.partition("=") for pair in address.query.split("&"))
                secrets += [value for name, _, value in pairs if names_secret_in_query(name)]
            for secret in secrets:
                for spelling in (secret, unquote(secret)):
                    if not is_placeholder(spelling):
                        self._learn_text(spelling, origin)

    def _learn(self, value: object, origin: Origin) -> None:
        if isinstance(value, str):
            if not self.known.use(value, origin) and not is_placeholder(value):
                self._learn_text(value, origin)
        elif is_mapping(value):
            for name, item in value.items():
                if not is_plain_header(str(name)):
                    self._learn(item, origin)
        elif is_collection(value):
            for item in value:
                self._learn(item, origin)
        else:
            # Of the class, because a mock has any attribute.
            reveal = getattr(type(value), "get_secret_value", None)  # pydantic's SecretStr
            if callable(reveal):
                self._learn(str(reveal(value)), origin)

    def _learn_text(self, value: str, origin: Origin) -> None:
        if len(value) < SHORTEST_SECRET or self.known.use(value, origin):
            return
        value = str.__str__(value)
        alone = credentials(value)
        if alone and not is_placeholder(alone):
            self._learn_text(alone, origin)
        self.known.add(value, origin)


def _headers(value: object) -> Mapping[str, object] | None:
    """Return headers by name, from a mapping or a list of pairs; None for any other value."""
    if is_mapping(value):
        return value
    with contextlib.suppress(TypeError, ValueError):
        if is_sequence(value):
            return dict(value)
    return None


@lru_cache(maxsize=128)  # a program has few, and every call needs one
def host_and_port(url: str) -> tuple[str | None, int | None]:
    """Return the host and port of a URL, without user, password, path and query; (None, None) if there is no host."""
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
