"""Check for misspelled environment variables of otel-dspy."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.configuration.setting_definitions import FLAGS
from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.environment.variable_names import KNOWN, PREFIX, of_bridge_flag, of_setting
from otel_dspy.settings import BUDGET_VARIABLES, CONTENT_VARIABLE, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


ELSEWHERE: Final = {f"{PREFIX}CAPTURE_CONTENT": CONTENT_VARIABLE, f"{PREFIX}BUDGET": f"{PREFIX}BUDGET_*"}
"""Variables that do not exist, and those that the setting has instead."""


def known() -> frozenset[str]:
    """Return the names of all `OTEL_DSPY_` variables that the package reads."""
    settings = {of_setting(field.name) for field in fields(Settings)} - ELSEWHERE.keys()
    flags = {of_bridge_flag(flag) for flag, *_ in FLAGS}
    return frozenset(settings | flags | set(BUDGET_VARIABLES.values()) | KNOWN)


def misspelt(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Report variables with the package's prefix that it does not read."""
    names = known()
    for variable in sorted(environment):
        if not variable.upper().startswith(PREFIX) or variable in names:
            continue
        yield Finding(
            "settings", Level.PROBLEM, f"{variable} is not read by otel-dspy. {_meant(variable.upper(), names)}"
        )


def _meant(variable: str, names: frozenset[str]) -> str:
    if variable in ELSEWHERE:
        return f"Use {ELSEWHERE[variable]}"
    # The common prefix would make any two names similar.
    near = get_close_matches(variable.removeprefix(PREFIX), (name.removeprefix(PREFIX) for name in names), 1)
    return f"Did you mean {PREFIX}{near[0]}?" if near else "There is no similar variable: remove it"
