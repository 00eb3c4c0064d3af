"""Check for misspelled environment variables of otel-dspy."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge import flags as bridge
from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.environment_variables import KNOWN
from otel_dspy.mlflow.delivery import drain_timeout, spool_folder
from otel_dspy.settings import BUDGET_VARIABLES, CONTENT_VARIABLE, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX: Final = "OTEL_DSPY_"
_ELSEWHERE: Final = {f"{PREFIX}CAPTURE_CONTENT": CONTENT_VARIABLE, f"{PREFIX}BUDGET": f"{PREFIX}BUDGET_*"}
"""Variables that do not exist, and those that the setting has instead."""


def known() -> frozenset[str]:
    """Return the names of all `OTEL_DSPY_` variables that the package reads."""
    settings = {f"{PREFIX}{field.name.upper()}" for field in fields(Settings)}
    flags = {bridge.variable(flag) for flag, *_ in bridge.FLAGS} | {bridge.TOKEN_VARIABLE}
    others = {spool_folder.FOLDER_VARIABLE, spool_folder.MAX_BYTES_VARIABLE, drain_timeout.TIMEOUT_VARIABLE}
    others |= KNOWN | set(BUDGET_VARIABLES.values())
    return frozenset((settings - _ELSEWHERE.keys()) | flags | others)


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
    if variable in _ELSEWHERE:
        return f"Use {_ELSEWHERE[variable]}"
    # The common prefix would make any two names similar.
    near = get_close_matches(variable.removeprefix(PREFIX), (name.removeprefix(PREFIX) for name in names), 1)
    return f"Did you mean {PREFIX}{near[0]}?" if near else "There is no similar variable: remove it"
