"""Settings of the instrumentation: environment and keywords end here, in one frozen record."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_logger = logging.getLogger(__name__)

CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The standard's own switch: NO_CONTENT, SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT (opentelemetry-util-genai)."""

Redact = Callable[[str, str], str]
"""Takes an attribute's name and its text, gives the text that may leave."""


class TraceShape(StrEnum):
    """Where an example's spans stand."""

    LINKED = "linked"
    """The root of a trace of its own, linked to its evaluation."""
    NESTED = "nested"
    """A child of its evaluation."""


class ExtraConvention(StrEnum):
    """Conventions of others whose names can stand on the spans beside ours."""

    OPENINFERENCE = "openinference"
    """What Phoenix and Arize read."""


class SettingError(ValueError):
    """A setting has a value that cannot be used; the message says which, where and what would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the instrumentation captures and how.

    Attributes:
        trace_shape: see `TraceShape`.
        capture_content: whether texts (messages, inputs, outputs, feedback) may leave on spans.
        capture_programs: whether program states, instructions and demo sets may leave. Follows content unless set.
        capture_datasets: whether dataset rows may leave. Follows content unless set.
        capture_adapters: whether adapters' format and parse get spans.
        max_content_length: content texts are cut to this many characters; None = never. In the rows of an
            evaluation's results each text of a field is cut for itself, so that they stay rows. Program states and
            datasets are never cut.
        max_media_bytes: images, sounds and files of more bytes are recorded by size and digest, without their content.
        redact: called for every content text before it leaves.
        example_ratio: share (0 to 1) of the `linked` example traces that are kept; control spans always are.
        extra_conventions: whose names stand on every span beside ours, derived from ours when the span ends.
    """

    trace_shape: TraceShape = TraceShape.LINKED
    capture_content: bool = False
    capture_programs: bool = False
    capture_datasets: bool = False
    capture_adapters: bool = False
    max_content_length: int | None = None
    max_media_bytes: int = 65_536
    redact: Redact | None = None
    example_ratio: float = 1.0
    extra_conventions: frozenset[ExtraConvention] = frozenset()

    @classmethod
    def resolve(cls, overrides: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Self:
        """Build the settings from keywords first, environment second, defaults last.

        Args:
            overrides: keyword -> value; None means "not given". Unknown keywords are refused.
            environment: variable -> text; `os.environ` unless given.

        Raises:
            SettingError: a keyword is unknown, or a keyword's value cannot be used. A bad environment variable is
                logged and ignored instead: `opentelemetry-instrument` must not break a program. A redactor that
                cannot be had is the exception: every content text is withheld then.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(overrides) - known):
            message = f"instrument() does not know {', '.join(unknown)}; it takes {', '.join(sorted(known))}"
            raise SettingError(message)
        values = _from_environment(os.environ if environment is None else environment)
        for name, value in overrides.items():
            if value is not None:
                values[name] = _PARSERS[name](value, f"instrument({name}=...)")
        content = values.get("capture_content", False)
        values.setdefault("capture_programs", content)
        values.setdefault("capture_datasets", content)
        return cls(**values)


def _flag(value: object, where: str) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"true", "1", "yes", "on"}:
        return True
    if text in {"false", "0", "no", "off"}:
        return False
    message = f"{where}: {value!r} is neither true nor false"
    raise SettingError(message)


def _shape(value: object, where: str) -> TraceShape:
    try:
        return TraceShape(str(value).strip().lower())
    except ValueError:
        message = f"{where}: {value!r} is not a trace shape; use linked or nested"
        raise SettingError(message) from None


PROVIDERS: Final[Mapping[str, str]] = {
    "tracer_provider": "get_tracer", "meter_provider": "get_meter", "logger_provider": "get_logger",
}  # fmt: skip
"""Keywords of `instrument` that are objects of OpenTelemetry's, and the method that each is known by."""


def provider_given(name: str, value: Any) -> Any:  # noqa: ANN401 - whichever it is
    """The provider that `instrument` was given, if any.

    Raises:
        SettingError: it is no such provider.
    """
    if value is None or (not isinstance(value, type) and callable(getattr(value, PROVIDERS[name], None))):
        return value
    kind = "a class, not an object of it" if isinstance(value, type) else f"no {name.replace('_', ' ')}"
    message = f"{name}: {value!r} is {kind}; leave it out for the global one"
    raise SettingError(message)


def _length(value: object, where: str) -> int:
    try:
        length = int(str(value))
    except (TypeError, ValueError):
        length = -1
    if length < 0:
        message = f"{where}: {value!r} is not a number of characters (0 or more)"
        raise SettingError(message)
    return length


def _size(value: object, where: str) -> int:
    try:
        return _length(value, where)
    except SettingError:
        message = f"{where}: {value!r} is not a number of bytes (0 or more)"
        raise SettingError(message) from None


def _ratio(value: object, where: str) -> float:
    try:
        ratio = float(str(value))
    except (TypeError, ValueError):
        ratio = -1.0
    if not 0 <= ratio <= 1:
        message = f"{where}: {value!r} is not a share between 0 and 1"
        raise SettingError(message)
    return ratio


def _redactor(value: object, where: str) -> Redact:
    if callable(value):
        return cast("Redact", value)
    module, _, name = str(value).partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # importing the user's module may raise anything
        message = f"{where}: cannot import {value!r} as module:function ({error})"
        raise SettingError(message) from error
    if not callable(found):
        message = f"{where}: {value!r} is not callable"
        raise SettingError(message)
    return cast("Redact", found)


def _conventions(value: object, where: str) -> frozenset[ExtraConvention]:
    given = cast("Iterable[object]", value) if isinstance(value, Iterable) else [value]
    words = value.split(",") if isinstance(value, str) else [str(one) for one in given]
    try:
        return frozenset(ExtraConvention(word.strip().lower()) for word in words)
    except ValueError:
        known = ", ".join(ExtraConvention)
        message = f"{where}: {value!r} names a convention that is not known; use {known}"
        raise SettingError(message) from None


_PARSERS: Final[Mapping[str, Callable[[object, str], Any]]] = {
    "trace_shape": _shape,
    "capture_content": _flag,
    "capture_programs": _flag,
    "capture_datasets": _flag,
    "capture_adapters": _flag,
    "max_content_length": _length,
    "max_media_bytes": _size,
    "redact": _redactor,
    "example_ratio": _ratio,
    "extra_conventions": _conventions,
}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    mode = environment.get(CONTENT_VARIABLE, "").strip().upper()
    if mode:
        values["capture_content"] = mode in {"SPAN_ONLY", "SPAN_AND_EVENT", "TRUE"}
    for name, parse in _PARSERS.items():
        variable = f"OTEL_DSPY_{name.upper()}"
        text = environment.get(variable, "").strip()
        if not text or name == "capture_content":
            continue
        try:
            values[name] = parse(text, variable)
        except SettingError as error:
            if name == "redact":
                _logger.warning("%s; content is withheld", error)
                values[name] = _withhold
            else:
                _logger.warning("%s; it is ignored", error)
    return values


def _withhold(name: str, text: str) -> str:
    """Stand in for a redactor that could not be imported: what it would have taken out must not leave."""
    del name, text
    return "[redacted]"
