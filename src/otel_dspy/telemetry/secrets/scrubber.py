"""Secrets never leave: which ones have been met, and how they are taken out of a text."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote, urlsplit

from otel_dspy.runtime.guard import guarded
from otel_dspy.serialization.plain_data import well_formed
from otel_dspy.telemetry.secrets.discovery import FirstMeetings, attributes, defaults, named_in, parts, tools
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
    from collections.abc import Iterable

    from otel_dspy.telemetry.secrets.known_values import Origin

# A URL's user and password, the longest that the patterns ask for; a key of any length is known by its first part.
_LONGEST_SHAPE: Final = 1024
# Scrubbed texts that are remembered, and the length up to which they are: 4 MiB at most.
_SCRUBBED_TEXTS: Final = 256
_LONGEST_KEPT: Final = 16_384
# Of settings inside of settings.
_LEVELS: Final = 3
# Of what stands in nearly every call, nothing is looked into.
_PLAIN: Final = frozenset({bool, int, float, list, type(None)})


class SecretKeeper:
    """Remembers the secret values that it has met and takes them out of texts.

    Values come from the environment, when the keeper is made, and from what is learned. Those of the environment stay;
    of settings 256 are kept, and of headers and arguments as many: the ones not met for longest make way.
    """

    def __init__(self) -> None:
        self._known = KnownSecrets()
        self._first_meetings = FirstMeetings()
        self._scrub_known = lru_cache(maxsize=_SCRUBBED_TEXTS)(self._scrub)
        self._learn_from(os.environ, ENVIRONMENT)

    @property
    def longest(self) -> int:
        """Characters of the longest secret that is known or recognized; of a longer one each part is recognized."""
        spellings = self._known.spellings
        return max(_LONGEST_SHAPE, len(spellings[0])) if spellings else _LONGEST_SHAPE

    def learn_from(self, settings: Mapping[str, object]) -> None:
        """Remember what stands under a secret's name, and the secrets of each value that is a URL.

        Dictionaries and models of pydantic are followed three levels down.

        Of headers those that have a secret's name are remembered, and of the others those that look like a key.
        """
        self._learn_from(settings, SETTING)

    def learn_arguments(self, arguments: Mapping[str, object]) -> None:
        """The same of a tool's arguments; what is called `token` there must look like a key: it may be a word."""
        self._learn_from(arguments, CALL)

    def learn_held(self, holder: object) -> None:
        """Remember what an object has for an attribute of a secret's name, when it is met first.

        So of the objects that it works with, such as a model's engine; of a tool, what its arguments are by default.
        """
        if self._first_meetings.is_first(holder):
            with guarded("what a model or tool holds"):
                for name, value in (*attributes(holder), *defaults(holder)):
                    self._learn_from({name: value}, SETTING)
                for tool in tools(holder):
                    self.learn_held(tool)

    def learn_program(self, program: object) -> None:
        """The same of each module inside of a program, and of its tools."""
        with guarded("what a program holds"):
            for part in parts(program):
                self.learn_held(part)

    def learn_url(self, url: str) -> None:
        """Remember a URL's password or token, as it stands there and as it is meant.

        An error may tell it without the rest.
        """
        if "://" in url:
            self._learn_url(url, SETTING)

    def learn(self, value: object) -> None:
        """Remember a secret's value.

        Strings of 8 characters or more are remembered, also those in a list or in a mapping, with and without their
        scheme (`Bearer ...`). Anything else is ignored, and a placeholder such as `lm-studio`.
        """
        self._learn(value, SETTING)

    def scrub(self, text: str) -> str:
        """The text as it may leave: every known secret, key-shaped word and URL password replaced, and encodable."""
        # A program's instructions go out with every call, its inputs with each module on their way down.
        return self._scrub_known(text, self._known.changes) if len(text) <= _LONGEST_KEPT else self._scrub(text)

    def _scrub(self, text: str, _changes: int = 0) -> str:
        """`_changes`: of what is known, for a text that is remembered is scrubbed of what was known then."""
        text = well_formed(text)
        for spelling in self._known.spellings:
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
                # What a tool is given as a `token` may be a word of a text.
                known = self._known.meet(value, origin)
                if not known and (origin != CALL or not is_name_of_data(name) or looks_like_key(value)):
                    self._learn(value, origin)
            else:
                self._learn_parts(name, value, origin, levels)

    def _learn_parts(self, name: str, value: object, origin: Origin, levels: int) -> None:
        headers = _headers(value) if holds_headers(name) else None
        if headers is not None:
            self._learn_headers(headers)
        elif levels == _LEVELS or not isinstance(value, dict):
            self._learn(value, origin)
        elif levels:
            # Inside of settings it may be the schema of a secret: `{"password": {"type": "string"}}`.
            self._learn_from(named_in(cast("object", value)), origin, levels - 1)

    def _learn_headers(self, headers: Mapping[object, object]) -> None:
        for name, value in headers.items():
            if not isinstance(value, str):
                if is_secret_name(str(name)):
                    self._learn(value, CALL)
            elif not self._known.meet(value, CALL):
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
            if not self._known.meet(value, origin) and not is_placeholder(value):
                self._learn_text(value, origin)
        elif isinstance(value, Mapping):
            for name, item in cast("Mapping[object, object]", value).items():
                if not is_plain_header(str(name)):
                    self._learn(item, origin)
        elif isinstance(value, list | tuple | set | frozenset):
            for item in cast("Iterable[object]", value):
                self._learn(item, origin)
        else:
            revealed = getattr(value, "get_secret_value", None)  # of pydantic's SecretStr
            if callable(revealed):
                self._learn(str(revealed()), origin)

    def _learn_text(self, value: str, origin: Origin) -> None:
        if len(value) < SHORTEST_SECRET or self._known.meet(value, origin):
            return
        value = str.__str__(value)
        alone = credentials(value)
        if alone and not is_placeholder(alone):
            self._learn_text(alone, origin)
        self._known.add(value, origin)


def _headers(value: object) -> Mapping[object, object] | None:
    """Headers by name, of a mapping or a list of pairs; None of anything else."""
    # A dict first: an abstract class takes ten times as long to say so.
    if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 - see above
        return cast("Mapping[object, object]", value)
    with contextlib.suppress(TypeError, ValueError):
        if isinstance(value, list | tuple):
            return dict(cast("Iterable[tuple[object, object]]", value))
    return None


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
