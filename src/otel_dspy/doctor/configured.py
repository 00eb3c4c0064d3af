"""What is switched on by the environment: content, sampling, limits, and what of it contradicts itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from otel_dspy import settings as settings_module
from otel_dspy.doctor.finding import Finding, Level
from otel_dspy.doctor.variables import misspelt
from otel_dspy.settings import CONTENT_VARIABLE, Settings
from otel_dspy.telemetry.payloads import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAMPLER: Final = "OTEL_TRACES_SAMPLER"
_KEEPS_CONTROL: Final = ("", "always_on", "parentbased_always_on", "otel_dspy_examples")
"""Samplers that lose no compile; '' is the SDK's default."""
_CUTS: Final = ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
_COUNTS: Final = ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT")
_MOST_ATTRIBUTES: Final = 128
"""The SDK's own limit, under which everything fits."""


class _Said(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def resolved(environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """The settings by environment alone, and what is wrong with the variables, in words."""
    logger, said = logging.getLogger(settings_module.__name__), _Said()
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(said)
    try:
        # As the instrumentor has it: where nobody but the user's own MLflow listens, texts are on.
        own = {"capture_content": True} if _mlflow_alone(environment) else {}
        return Settings.resolve(own, environment), said.texts
    finally:
        logger.removeHandler(said)
        logger.propagate = propagates


def _mlflow_alone(environment: Mapping[str, str]) -> bool:
    exporters = [name.strip() for name in environment.get("OTEL_TRACES_EXPORTER", "").split(",")]
    return exporters == ["mlflow"] and not environment.get(CONTENT_VARIABLE, "").strip()


def configured(environment: Mapping[str, str]) -> Iterator[Finding]:
    """What will leave the machine, and what will be lost on the way."""
    settings, wrong = resolved(environment)
    yield from (Finding("settings", Level.PROBLEM, text) for text in wrong)
    yield from misspelt(environment)
    yield from _content(settings, environment)
    yield from _sampling(settings, environment)
    yield from _limits(environment)
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Finding("sdk", Level.PROBLEM, "OTEL_SDK_DISABLED=true: nothing is recorded at all")


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
    kept = "redacted by your function first" if settings.redact is not None else "as they are, but for keys and tokens"
    if leaving:
        yield Finding("content", Level.NOTE, f"texts leave the machine: {'; '.join(leaving)}; {kept}")
    else:
        yield Finding("content", Level.OK, f"no text leaves the machine unless code asks for it ({CONTENT_VARIABLE})")
    if settings.capture_content and settings.max_content_length == 0:
        yield Finding(
            "content", Level.WARNING, "content is captured and cut to nothing: OTEL_DSPY_MAX_CONTENT_LENGTH=0"
        )
    mode = environment.get(CONTENT_VARIABLE, "").strip().upper()
    if mode == "EVENT_ONLY" and not environment.get("OTEL_LOGS_EXPORTER"):
        yield Finding(
            "content", Level.WARNING, f"{CONTENT_VARIABLE}=EVENT_ONLY, but no OTEL_LOGS_EXPORTER takes the events"
        )


def _sampling(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    sampler = environment.get(SAMPLER, "").strip().lower()
    if sampler not in _KEEPS_CONTROL:
        yield Finding(
            "sampling",
            Level.WARNING,
            f"{SAMPLER}={sampler} loses whole optimizations with their scores; otel_dspy_examples loses examples alone",
        )
    if sampler == "otel_dspy_examples" and settings.example_ratio < 1:
        yield Finding(
            "sampling", Level.WARNING, "OTEL_DSPY_EXAMPLE_RATIO thins out what otel_dspy_examples has kept: use one"
        )


def _limits(environment: Mapping[str, str]) -> Iterator[Finding]:
    for variables, least, what in (
        (_CUTS, PIECE_BYTES, "cuts program states and datasets, which then cannot be read"),
        (_COUNTS, _MOST_ATTRIBUTES, "leaves out attributes of optimizations"),
    ):
        for variable in variables:
            text = environment.get(variable, "").strip()
            if text.isdigit() and int(text) < least:
                yield Finding("limits", Level.WARNING, f"{variable}={text} {what}; use {least} or more, or none")
