"""Parameters that differ between runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy.formatting.trial_values import NONE
from otel_dspy.reporting.sections.predictions import value_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.compile_result import Compile


@dataclass(frozen=True)
class ParameterRow:
    """A parameter with its value in each run, in the order of the runs; `-` where a run does not have it."""

    name: str
    values: tuple[str, ...]


def differing_parameters(runs: Sequence[Compile]) -> tuple[ParameterRow, ...]:
    """Return the parameters that are not the same in all runs: optimizer, program and metric first, then by name."""
    every = [
        {"optimizer": found.optimizer, "program": found.program, "metric": found.metric, **found.parameters}
        for found in runs
    ]
    first = ("optimizer", "program", "metric")
    names = [*first, *sorted({name for values in every for name in values} - set(first))]
    rows = (
        ParameterRow(name, tuple(value_text(values[name]) if name in values else NONE for values in every))
        for name in names
    )
    return tuple(row for row in rows if len(set(row.values)) > 1)
