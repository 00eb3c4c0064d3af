"""The environment variables of this package: all that it reads, and those that are meant to be one of them."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge import settings as bridge
from otel_dspy.doctor.finding import Finding, Level
from otel_dspy.mlflow.delivery import drain_timeout, spool
from otel_dspy.settings import CONTENT_VARIABLE, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX: Final = "OTEL_DSPY_"
_EXPORT_MAX_BYTES: Final = "OTEL_DSPY_EXPORT_MAX_BYTES"
"""As in `otel_dspy.exporter.otlp`, which needs an OTLP exporter to be imported."""
_ELSEWHERE: Final = {f"{PREFIX}CAPTURE_CONTENT": CONTENT_VARIABLE}
"""Settings whose variable is OpenTelemetry's."""


def known() -> frozenset[str]:
    """The names that begin with `OTEL_DSPY_` and are read."""
    settings = {f"{PREFIX}{field.name.upper()}" for field in fields(Settings)}
    flags = {bridge.variable(flag) for flag, *_ in bridge.FLAGS} | {bridge.TOKEN_VARIABLE}
    others = {spool.FOLDER_VARIABLE, spool.MAX_BYTES_VARIABLE, drain_timeout.TIMEOUT_VARIABLE, _EXPORT_MAX_BYTES}
    return frozenset((settings - _ELSEWHERE.keys()) | flags | others)


def misspelt(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that look like ours and that nobody reads."""
    names = known()
    for variable in sorted(environment):
        if not variable.upper().startswith(PREFIX) or variable in names:
            continue
        yield Finding("settings", Level.PROBLEM, f"{variable} is read by nobody. {_meant(variable.upper(), names)}")


def _meant(variable: str, names: frozenset[str]) -> str:
    if variable in _ELSEWHERE:
        return f"Use {_ELSEWHERE[variable]}"
    # What all of them begin with would make any two alike.
    near = get_close_matches(variable.removeprefix(PREFIX), (name.removeprefix(PREFIX) for name in names), 1)
    return f"Did you mean {PREFIX}{near[0]}?" if near else "It is none of otel-dspy's variables"
