"""Content filter: serializes content as JSON, redacts it, removes secrets and truncates it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_dspy import semconv
from otel_dspy.runtime.error_guard import report
from otel_dspy.serialization.plain_data import bounded, converted
from otel_dspy.telemetry.content.content_json import plain_json
from otel_dspy.telemetry.content.media_digests import without_large_media
from otel_dspy.telemetry.secrets.patterns import REDACTED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence

    from opentelemetry.util.types import AnyValue, AttributeValue

    from otel_dspy.settings import Settings
    from otel_dspy.telemetry.secrets.scrubber import SecretKeeper

_MEDIA_IN_ROWS: Final = 3071
"""Maximum size in bytes of a sound or a file in a result row: 4,095 characters of base64."""
_ROWS_WITH_IMAGES: Final = 16 * 1024 * 1024
"""Maximum length in characters of an evaluation's rows with images; beyond it images have the limit of sounds."""
_DATA_URI: Final = 64
"""Characters of a data URI before its data, at most, as far as images are concerned."""
_LONGEST_MESSAGE: Final = 8192
"""Maximum length of a recorded exception message, in characters."""
_KEPT_TEXTS: Final = 128
"""Inputs and outputs whose texts are kept: a module often has those of the module inside."""
_LONGEST_KEPT: Final = 8_192
"""Maximum length in characters of what is kept."""
_TEXT: Final = frozenset({str})
_NAME_IN_CODE: Final = re.compile(r"\$?[^\W\d][\w.\[\]']*")
"""Names of fields, arguments and modules: `city`, `steps[0].predict`, `$ref`."""


def _short_texts(value: AnyValue) -> tuple[tuple[str, AnyValue], ...] | None:
    """Return the items of a mapping of texts, `_LONGEST_KEPT` characters at most; None for any other value."""
    if type(value) is not dict:
        return None
    fields: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType] - `cast` is a function call
    if not _TEXT.issuperset(map(type, fields.values())) or sum(map(len, fields.values())) > _LONGEST_KEPT:
        return None
    return tuple(fields.items())


def _with_each_text(value: AnyValue, change: Callable[[str], str]) -> AnyValue:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _with_each_text(item, change) for key, item in value.items()}
    return [_with_each_text(item, change) for item in value] if isinstance(value, list) else value


class _Filtered(NamedTuple):
    """Content for export.

    Attributes:
        text: without secrets, truncated.
        length: length in characters before, if it was truncated.
    """

    text: str
    length: int | None


class ContentFilter:
    """Prepares content for export, according to the settings.

    Args:
        settings: redactor and limits.
        secrets: the known secrets.
    """

    def __init__(self, settings: Settings, secrets: SecretKeeper) -> None:
        self._settings = settings
        self._secrets = secrets
        self._filter_fields = lru_cache(maxsize=_KEPT_TEXTS)(self._filtered_fields)

    def text(self, name: str, text: str) -> str:
        """Redact a text, remove secrets, and truncate it to `max_content_length` characters."""
        return self._cut(self._redact(name, text))

    def message(self, name: str, text: str) -> str:
        """Filter an exception's message like `text`, and truncate it to 8,192 characters.

        Of a longer message the redactor gets only that much plus a margin for a secret at the cut.
        """
        limit = self._settings.max_content_length
        limit = _LONGEST_MESSAGE if limit is None else min(limit, _LONGEST_MESSAGE)
        margin = self._secrets.longest
        if len(text) <= limit + 2 * margin:
            return self._secrets.scrub(self._redact(name, text))[:limit]
        scrubbed = self._secrets.scrub(self._redact(name, text[: limit + 2 * margin]))
        return scrubbed[: max(0, min(limit, len(scrubbed) - margin))]

    def data(self, name: str, value: AnyValue) -> AnyValue:
        """Apply `text` to every string in plain data; return data of the same shape."""
        return _with_each_text(value, lambda text: self.text(name, text))

    def for_row(self, value: AnyValue) -> AnyValue:
        """Prepare plain data for a result row: truncate each string to `max_content_length`, keep the shape.

        Sounds and files above 3,071 bytes are replaced by size and digest, because every trial has its rows; images
        where they exceed `max_media_bytes` or would be truncated.
        """
        whole, length = self._settings.max_media_bytes, self._settings.max_content_length
        images = whole if length is None else min(whole, max(0, length - _DATA_URI) * 3 // 4)
        return self._cut_each(without_large_media(value, min(whole, _MEDIA_IN_ROWS), images))

    def rows(self, rows: Sequence[AnyValue]) -> str:
        """Serialize an evaluation's rows as JSON; with many large images without those above 3,071 bytes."""
        every: list[AnyValue] = list(rows)
        text = plain_json(every)
        if len(text) <= _ROWS_WITH_IMAGES:
            return text
        return plain_json(without_large_media(every, min(self._settings.max_media_bytes, _MEDIA_IN_ROWS)))

    def _cut_each(self, value: AnyValue) -> AnyValue:
        return value if self._settings.max_content_length is None else _with_each_text(value, self._cut)

    def prepared(self, name: str, value: AnyValue) -> AnyValue:
        """Replace large media in plain data by size and digest (`max_media_bytes`), then redact."""
        if type(value) is str and len(value) <= self._settings.max_media_bytes and self._settings.redact is None:
            return value  # the most frequent case
        return self.redacted(name, without_large_media(value, self._settings.max_media_bytes))

    def redacted(self, name: str, value: AnyValue) -> AnyValue:
        """Apply the user's redactor to every string in plain data, and to keys that are not names in code."""
        if self._settings.redact is None:
            return value
        if isinstance(value, str):
            return self._redact(name, value)
        if isinstance(value, dict):
            return self._redacted_fields(name, value)
        if isinstance(value, list):
            return [self.redacted(name, item) for item in value]
        return value

    def _redacted_fields(self, name: str, fields: Mapping[str, AnyValue]) -> dict[str, AnyValue]:
        redacted: dict[str, AnyValue] = {}
        for key, item in fields.items():
            shown = key if _NAME_IN_CODE.fullmatch(key) else self._redact(name, key)
            while shown in redacted:  # keys that are redacted to the same text keep their items
                shown += "'"
            redacted[shown] = self.redacted(name, item)
        return redacted

    def _redact(self, name: str, text: str) -> str:
        if self._settings.redact is None:
            return text
        try:
            # A redactor that calls a DSPy program must not be called for that program's content.
            with suppress_instrumentation():
                return str.__str__(self._settings.redact(name, text))
        except Exception as error:  # noqa: BLE001 - a user's redactor may raise anything; then the text is withheld
            report("the user's redactor", error, private=True)
            return REDACTED

    def fits(self, text: str) -> bool:
        """Return whether the text is within `max_content_length`."""
        limit = self._settings.max_content_length
        return limit is None or len(text) <= limit

    def cleaned(self, name: str, value: AnyValue) -> str:
        """Serialize plain data as JSON unless it is a string, and filter it like `text`."""
        settings = self._settings
        if (
            type(value) is str
            and settings.redact is None
            and settings.max_content_length is None
            and len(value) <= settings.max_media_bytes
        ):
            return self._secrets.scrub(value)  # the most frequent case
        redacted = self.prepared(name, value)
        return self._cut(redacted if isinstance(redacted, str) else plain_json(redacted))

    def put(self, attributes: MutableMapping[str, AttributeValue], name: str, value: object) -> None:
        """Add a content attribute, as JSON text unless it is a string, truncated to `max_content_length` characters.

        If it is truncated, `dspy.content.length.<name>` is set to the original length in characters.

        Args:
            attributes: mapping that receives the attribute.
            name: the attribute's name.
            value: any object.
        """
        self.put_plain(attributes, name, bounded(value))

    def put_plain(self, attributes: MutableMapping[str, AttributeValue], name: str, value: AnyValue) -> None:
        """Add a content attribute like `put`, of plain data (see `plain`) or what `captured` has returned.

        Args:
            attributes: where the attribute is added.
            name: the attribute's name.
            value: plain or captured data.
        """
        fields = _short_texts(value) if self._settings.redact is None else None
        if fields is None:
            filtered = self._filter(self.prepared(name, converted(value)))
        else:
            filtered = self._filter_fields(fields, self._secrets.known.changes)
        self._put(attributes, name, filtered)

    def put_redacted(self, attributes: MutableMapping[str, AttributeValue], name: str, value: AnyValue) -> None:
        """Add a content attribute like `put`, of data returned by `prepared`.

        Args:
            attributes: where the attribute is added.
            name: the attribute's name.
            value: redacted data or text.
        """
        self._put(attributes, name, self._filter(value))

    def _put(self, attributes: MutableMapping[str, AttributeValue], name: str, filtered: _Filtered) -> None:
        if filtered.length is not None:
            attributes[semconv.DSPY_CONTENT_LENGTH + name] = filtered.length
        attributes[name] = filtered.text

    def _filter(self, value: AnyValue) -> _Filtered:
        text = value if isinstance(value, str) else plain_json(value)
        limit = self._settings.max_content_length
        return _Filtered(self._cut(text), None if limit is None or len(text) <= limit else len(text))

    def _filtered_fields(self, fields: tuple[tuple[str, AnyValue], ...], _changes: int) -> _Filtered:
        """Filter texts by name without a redactor; `_changes` (of the known secrets) is only a cache key."""
        return self._filter(without_large_media(converted(dict(fields)), self._settings.max_media_bytes))

    def _cut(self, text: str) -> str:
        """Remove secrets, then truncate: a truncated secret would not be detected.

        Only as much of the text as is needed is scanned, because it can be of any length.
        """
        limit = self._settings.max_content_length
        if limit is None:
            return self._secrets.scrub(text)
        margin = self._secrets.longest
        if len(text) <= limit + 2 * margin:
            return self._secrets.scrub(text)[:limit]
        scrubbed = self._secrets.scrub(text[: limit + 2 * margin])
        # A secret at the cut ends within the margin.
        return scrubbed[: max(0, min(limit, len(scrubbed) - margin))]
