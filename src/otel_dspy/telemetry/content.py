"""Content on its way out: made into JSON text, cleared of secrets, redacted, cut to length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.util.genai.utils import gen_ai_json_dumps

from otel_dspy import semconv
from otel_dspy.runtime.guard import report
from otel_dspy.serialization.plain_data import bounded, plain
from otel_dspy.telemetry.media import without_large_media
from otel_dspy.telemetry.secrets.patterns import REDACTED

if TYPE_CHECKING:
    import json
    from collections.abc import MutableMapping

    from opentelemetry.util.types import AnyValue, AttributeValue

    from otel_dspy.settings import Settings
    from otel_dspy.telemetry.secrets.scrubber import SecretKeeper

_MEDIA_IN_ROWS: Final = 3071
"""Bytes of an image, a sound or a file that a row of results holds at most: 4,095 characters of base64."""
_LONGEST_MESSAGE: Final = 8192
"""Characters of an exception's message that are told at most."""
_ENCODER: Final[json.JSONEncoder] = gen_ai_json_dumps.keywords["cls"](
    separators=gen_ai_json_dumps.keywords["separators"], ensure_ascii=False
)
"""The library's own way, which makes one of these for each text."""


def as_json(value: object) -> str:
    """Any object as JSON text. What cannot be turned into data is null; nothing is consumed, no error is raised."""
    return plain_json(plain(value))


def plain_json(value: AnyValue) -> str:
    """Plain data (see `plain`) as JSON text."""
    return _ENCODER.encode(value)


class ContentFilter:
    """Decides what of a text may leave."""

    def __init__(self, settings: Settings, secrets: SecretKeeper) -> None:
        self._settings = settings
        self._secrets = secrets

    def text(self, name: str, text: str) -> str:
        """A text as it may leave: redacted, scrubbed of secrets, cut to `max_content_length` characters."""
        return self._cut(self._redact(name, text))

    def message(self, name: str, text: str) -> str:
        """An exception's message as it may leave: as `text` has it, and never more than 8,192 characters.

        Of a longer one the redactor sees no more than that and what a secret at the edge may need.
        """
        limit = self._settings.max_content_length
        limit = _LONGEST_MESSAGE if limit is None else min(limit, _LONGEST_MESSAGE)
        margin = self._secrets.longest
        if len(text) <= limit + 2 * margin:
            return self._secrets.scrub(self._redact(name, text))[:limit]
        scrubbed = self._secrets.scrub(self._redact(name, text[: limit + 2 * margin]))
        return scrubbed[: max(0, min(limit, len(scrubbed) - margin))]

    def data(self, name: str, value: AnyValue) -> AnyValue:
        """Plain data of the same shape, each text in it as `text` has it."""
        if isinstance(value, str):
            return self.text(name, value)
        if isinstance(value, dict):
            return {key: self.data(name, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.data(name, item) for item in value]
        return value

    def for_row(self, value: AnyValue) -> AnyValue:
        """Plain data as it stands in a row of results: the same shape, each text cut to `max_content_length`.

        A larger image, sound or file is there by size and digest alone: each trial has its rows.
        """
        return self._cut_each(without_large_media(value, min(self._settings.max_media_bytes, _MEDIA_IN_ROWS)))

    def _cut_each(self, value: AnyValue) -> AnyValue:
        if self._settings.max_content_length is None:
            return value
        if isinstance(value, str):
            return self._cut(value)
        if isinstance(value, dict):
            return {key: self._cut_each(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._cut_each(item) for item in value]
        return value

    def prepared(self, name: str, value: AnyValue) -> AnyValue:
        """Plain data as content: large media by size and digest (`max_media_bytes`), then redacted."""
        return self.redacted(name, without_large_media(value, self._settings.max_media_bytes))

    def redacted(self, name: str, value: AnyValue) -> AnyValue:
        """Plain data with the user's redactor applied to every string in it."""
        if self._settings.redact is None:
            return value
        if isinstance(value, str):
            return self._redact(name, value)
        if isinstance(value, dict):
            return {key: self.redacted(name, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.redacted(name, item) for item in value]
        return value

    def _redact(self, name: str, text: str) -> str:
        if self._settings.redact is None:
            return text
        try:
            # It may ask a program of DSPy's itself, and that one's texts would be redacted in their turn.
            with suppress_instrumentation():
                return str.__str__(self._settings.redact(name, text))
        except Exception as error:  # noqa: BLE001 - a user's redactor may raise anything; then nothing may leave
            report("the user's redactor", error, private=True)
            return REDACTED

    def fits(self, text: str) -> bool:
        """Whether the text is short enough to leave whole."""
        limit = self._settings.max_content_length
        return limit is None or len(text) <= limit

    def cleaned(self, name: str, value: AnyValue) -> str:
        """Plain data as a text that may leave: JSON unless it is a string, otherwise as `text` has it."""
        redacted = self.prepared(name, value)
        return self._cut(redacted if isinstance(redacted, str) else plain_json(redacted))

    def put(self, attributes: MutableMapping[str, AttributeValue], name: str, value: object) -> None:
        """Add a content attribute, as JSON text unless it is a string, cut to `max_content_length` characters.

        Where it is cut, `dspy.content.length.<name>` tells the original length in characters.
        """
        self.put_plain(attributes, name, bounded(value))

    def put_plain(self, attributes: MutableMapping[str, AttributeValue], name: str, value: AnyValue) -> None:
        """The same, of plain data (see `plain`)."""
        self.put_redacted(attributes, name, self.prepared(name, value))

    def put_redacted(self, attributes: MutableMapping[str, AttributeValue], name: str, value: AnyValue) -> None:
        """The same, of plain data that `prepared` has given."""
        text = value if isinstance(value, str) else plain_json(value)
        limit = self._settings.max_content_length
        if limit is not None and len(text) > limit:
            attributes[semconv.DSPY_CONTENT_LENGTH + name] = len(text)
        attributes[name] = self._cut(text)

    def _cut(self, text: str) -> str:
        """Cleared of secrets, then cut, for half a secret would not be known again.

        Of a long text no more than is needed is looked at: whoever sets a limit has texts of any length.
        """
        limit, margin = self._settings.max_content_length, self._secrets.longest
        if limit is None or len(text) <= limit + 2 * margin:
            return self._secrets.scrub(text)[:limit]
        scrubbed = self._secrets.scrub(text[: limit + 2 * margin])
        # What a secret at the edge has left stands in the margin.
        return scrubbed[: max(0, min(limit, len(scrubbed) - margin))]
