"""Settings of the instrumentation, resolved from keywords and environment variables into one frozen dataclass."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self, cast

from otel_dspy.budget import LIMITS, Budget, read_limit, read_on_exceeded
from otel_dspy.environment.boolean_text import boolean
from otel_dspy.environment.quantities import number_of_bytes
from otel_dspy.environment.variable_names import of_budget, of_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

_logger = logging.getLogger(__name__)

CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""OpenTelemetry's content switch: NO_CONTENT, SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT (opentelemetry-util-genai)."""
BUDGET_VARIABLES: Final = {name: of_budget(name) for name in (*LIMITS, "on_exceeded")}
"""Environment variables of a budget's fields."""

Redact = Callable[[str, str], str]
"""Redactor: called with an attribute's name and its text, returns the text to export."""


class TraceShape(StrEnum):
    """Position of an example's span in its trace."""

    LINKED = "linked"
    """The root of a separate trace, linked to the evaluation's span."""
    NESTED = "nested"
    """A child of the evaluation's span."""


class ExtraConvention(StrEnum):
    """Further semantic conventions whose attributes can be set on every span."""

    OPENINFERENCE = "openinference"
    """OpenInference, which Phoenix and Arize read."""


class SettingError(ValueError):
    """Invalid setting. The message names the setting, where it was set, and the values it accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the instrumentation.

    Attributes:
        trace_shape: see `TraceShape`.
        capture_content: whether to record content (messages, inputs, outputs, feedback) on spans.
        capture_programs: whether to record program states, instructions and demo sets. Default: `capture_content`.
        capture_datasets: whether to record dataset rows. Default: `capture_content`.
        capture_adapters: whether to create spans for an adapter's format and parse.
        max_content_length: truncate content to this many characters; None = no limit. In the rows of an
            evaluation's results each text is truncated separately, so that the rows stay valid. Program states and
            datasets are never truncated.
        max_media_bytes: record larger images, sounds and files by size and digest, without their content.
        redact: redactor that is applied to every content text before export.
        example_ratio: share (0 to 1) of the `linked` example traces to sample; control spans are always sampled.
        extra_conventions: further conventions whose attributes are derived from the span's own when it ends.
        budget: limits of each optimization; a mapping as keyword, one variable for each limit in the environment.
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
    budget: Budget | None = None

    @classmethod
    def resolve(cls, overrides: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Self:
        """Build the settings. Keywords take precedence over environment variables, and those over defaults.

        Args:
            overrides: keyword -> value; None means "not given".
            environment: variable -> text; default: `os.environ`.

        Raises:
            SettingError: a keyword is unknown or its value is invalid. An invalid environment variable is logged and
                ignored instead, because `opentelemetry-instrument` must not break a program. If the redactor cannot
                be imported, all content is replaced by `[redacted]`.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(overrides) - known):
            message = f"instrument() has no setting {', '.join(unknown)}; use one of {', '.join(sorted(known))}"
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
    try:
        return boolean(str(value))
    except ValueError:
        message = f"{where}: {value!r} is not a boolean; use true or false"
        raise SettingError(message) from None


def _shape(value: object, where: str) -> TraceShape:
    try:
        return TraceShape(str(value).strip().lower())
    except ValueError:
        message = f"{where}: {value!r} is not a trace shape; use linked or nested"
        raise SettingError(message) from None


def _length(value: object, where: str) -> int:
    try:
        length = int(str(value))
    except (TypeError, ValueError):
        length = -1
    if length < 0:
        message = f"{where}: {value!r} is not a number of characters; use an integer of 0 or more"
        raise SettingError(message)
    return length


def _size(value: object, where: str) -> int:
    try:
        return number_of_bytes(str(value))
    except ValueError as error:
        message = f"{where}: {error}"
        raise SettingError(message) from None


def _ratio(value: object, where: str) -> float:
    try:
        ratio = float(str(value))
    except (TypeError, ValueError):
        ratio = -1.0
    if not 0 <= ratio <= 1:
        message = f"{where}: {value!r} is not a ratio; use a number from 0 to 1"
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
    names = value.split(",") if isinstance(value, str) else [str(one) for one in given]
    try:
        return frozenset(ExtraConvention(name.strip().lower()) for name in names)
    except ValueError:
        known = ", ".join(ExtraConvention)
        message = f"{where}: {value!r} contains an unknown convention; use {known}"
        raise SettingError(message) from None


def _budget(value: object, where: str) -> Budget:
    try:
        return Budget.of(value)
    except ValueError as error:
        message = f"{where}: {error}"
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
    "budget": _budget,
}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    mode = environment.get(CONTENT_VARIABLE, "").strip().upper()
    if mode:
        values["capture_content"] = mode in {"SPAN_ONLY", "SPAN_AND_EVENT", "TRUE"}
    for name, parse in _PARSERS.items():
        variable = of_setting(name)
        text = environment.get(variable, "").strip()
        if not text or name in {"capture_content", "budget"}:
            continue
        try:
            values[name] = parse(text, variable)
        except SettingError as error:
            if name == "redact":
                _logger.warning("%s. All content is replaced by [redacted].", error)
                values[name] = _withhold
            else:
                _logger.warning("%s. The variable is ignored.", error)
    limits = _budget_from(environment)
    if limits:
        values["budget"] = Budget.of(limits)
    return values


def _budget_from(environment: Mapping[str, str]) -> dict[str, object]:
    """Return the limits that `OTEL_DSPY_BUDGET_*` set; an invalid one is logged and ignored."""
    found: dict[str, object] = {}
    for name, variable in BUDGET_VARIABLES.items():
        text = environment.get(variable, "").strip()
        if not text:
            continue
        try:
            found[name] = read_limit(name, text) if name in LIMITS else read_on_exceeded(text)
        except ValueError as error:
            _logger.warning("%s: %s. The variable is ignored.", variable, error)
    return found


def _withhold(name: str, text: str) -> str:
    """Redact everything: used in place of a redactor that could not be imported."""
    del name, text
    return "[redacted]"
