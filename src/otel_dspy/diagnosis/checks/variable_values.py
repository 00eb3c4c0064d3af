"""Checks of environment settings: content capture, sampling, limits and contradictions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from otel_dspy import settings as settings_module
from otel_dspy.diagnosis.checks.misspelled_variables import misspelt
from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.environment.boolean_text import boolean
from otel_dspy.environment.quantities import number_of_bytes, number_of_seconds
from otel_dspy.environment.variable_names import (
    AUTOLOG_METRICS,
    EVALUATION_DATASETS,
    EXPORT_MAX_BYTES,
    FLUSH_TIMEOUT,
    PROGRESS,
    REPORT,
    SPOOL_MAX_BYTES,
    of_setting,
)
from otel_dspy.reporting.terminal.progress_mode import named_mode
from otel_dspy.settings import CONTENT_VARIABLE, Settings
from otel_dspy.telemetry.content.payloads import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SAMPLER: Final = "OTEL_TRACES_SAMPLER"
_KEEPS_CONTROL: Final = ("", "always_on", "parentbased_always_on", "otel_dspy_examples")
"""Samplers that drop no compile; '' is the SDK's default."""
_CUTS: Final = ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
_COUNTS: Final = ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT")
SPAN_LIMITS: Final = (*_CUTS, *_COUNTS)
"""Variables that the SDK applies to every tracer provider but the one that `autolog` creates."""
_MOST_ATTRIBUTES: Final = 128
"""The SDK's default limit, which is large enough."""

_PARSERS: Final[Mapping[str, Callable[[str], object]]] = {
    SPOOL_MAX_BYTES: number_of_bytes,
    EXPORT_MAX_BYTES: number_of_bytes,
    FLUSH_TIMEOUT: number_of_seconds,
    REPORT: boolean,
    AUTOLOG_METRICS: boolean,
    EVALUATION_DATASETS: boolean,
    PROGRESS: named_mode,
}


class _MessageCollector(logging.Handler):
    """Logging handler that collects messages."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def resolved(environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Return the settings from the environment alone, and a message for each invalid variable."""
    logger, collector = logging.getLogger(settings_module.__name__), _MessageCollector()
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(collector)
    try:
        # Same rule as the instrumentor's: content is captured if MLflow is the only exporter.
        own = {"capture_content": True} if _mlflow_alone(environment) else {}
        return Settings.resolve(own, environment), collector.texts
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagates


def _mlflow_alone(environment: Mapping[str, str]) -> bool:
    exporters = [name.strip() for name in environment.get("OTEL_TRACES_EXPORTER", "").split(",")]
    return exporters == ["mlflow"] and not environment.get(CONTENT_VARIABLE, "").strip()


def configured(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Check which content is exported and what the settings drop or truncate."""
    settings, wrong = resolved(environment)
    yield from (Finding("settings", Level.PROBLEM, text) for text in wrong)
    yield from misspelt(environment)
    yield from _content(settings, environment)
    yield from _sampling(settings, environment)
    yield from _limits(environment)
    yield from _values(environment)
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Finding("sdk", Level.PROBLEM, "OTEL_SDK_DISABLED=true: nothing is recorded at all")


def _values(environment: Mapping[str, str]) -> Iterator[Finding]:
    for variable, parse in _PARSERS.items():
        text = environment.get(variable, "").strip()
        try:
            if text:
                parse(text)
        except ValueError as error:
            yield Finding("settings", Level.PROBLEM, f"{variable}: {error}. The default is used.")


def _content(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    leaving = [
        what
        for what, leaves in (
            ("prompts, answers and inputs", settings.capture_content),
            ("program states, instructions and demos", settings.capture_programs),
            ("dataset rows", settings.capture_datasets),
        )
        if leaves
    ]
    kept = "redacted by your function" if settings.redact is not None else "only detected keys and tokens are redacted"
    if leaving:
        yield Finding("content", Level.NOTE, f"content is exported: {'; '.join(leaving)}; {kept}")
    else:
        yield Finding("content", Level.OK, f"no content is exported unless code enables it ({CONTENT_VARIABLE})")
    if settings.capture_content and settings.max_content_length == 0:
        yield Finding(
            "content",
            Level.WARNING,
            "content is captured but truncated to nothing by OTEL_DSPY_MAX_CONTENT_LENGTH=0: set a positive number",
        )
    mode = environment.get(CONTENT_VARIABLE, "").strip().upper()
    if mode == "EVENT_ONLY" and not environment.get("OTEL_LOGS_EXPORTER"):
        yield Finding(
            "content",
            Level.WARNING,
            f"{CONTENT_VARIABLE}=EVENT_ONLY, but no OTEL_LOGS_EXPORTER is set: the events are dropped",
        )


def _sampling(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    sampler = environment.get(SAMPLER, "").strip().lower()
    if sampler not in _KEEPS_CONTROL:
        yield Finding(
            "sampling",
            Level.WARNING,
            f"{SAMPLER}={sampler} drops whole optimizations with their scores, not where autolog alone records; use "
            "otel_dspy_examples, which drops examples only",
        )
    if sampler == "otel_dspy_examples" and settings.example_ratio < 1:
        yield Finding(
            "sampling",
            Level.WARNING,
            f"{of_setting('example_ratio')} and the sampler otel_dspy_examples both drop examples: "
            "set only one of them",
        )


def _limits(environment: Mapping[str, str]) -> Iterator[Finding]:
    for variables, least, what in (
        (_CUTS, PIECE_BYTES, "truncates program states and datasets, so that they cannot be parsed,"),
        (_COUNTS, _MOST_ATTRIBUTES, "drops attributes of optimizations"),
    ):
        for variable in variables:
            text = environment.get(variable, "").strip()
            if text.isdigit() and int(text) < least:
                yield Finding(
                    "limits",
                    Level.WARNING,
                    f"{variable}={text} {what} where opentelemetry-instrument or your own tracer provider records: set "
                    f"{least} or more, or unset it (the provider that autolog creates does not apply it)",
                )
