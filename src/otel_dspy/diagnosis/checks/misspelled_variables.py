"""Check for misspelled environment variables of otel-dspy."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.diagnosis.known_variables import ELSEWHERE, known
from otel_dspy.environment.variable_names import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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
