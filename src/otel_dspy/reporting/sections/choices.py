"""Effect of what the trials chose: means by choice, with the number of examples behind each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.trial_values import CHOICE_PARAMETER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_dspy.reporting.compile_result import Compile, Trial

_PARAMETER: Final = "{}_predictor_{}"
_BOOKKEEPING: Final = frozenset({"iteration", "candidate", "parents", "minibatch", "components"})
"""Parameters of GEPA's trials that are not a choice; see the lineage."""
_MAX_OPTIONS: Final = 12
_MAX_GRID: Final = 40


@dataclass(frozen=True)
class Cell:
    """Results of the trials with one choice; `mean` is None if it was not tried."""

    mean: float | None
    n: int
    """Number of examples, over all these trials."""
    trials: int


@dataclass(frozen=True)
class Grid:
    """Instructions (rows) against demo sets (columns) of one predictor."""

    predictor: str
    instructions: tuple[int, ...]
    demos: tuple[int, ...]
    cells: tuple[tuple[Cell, ...], ...]
    by_instruction: tuple[Cell, ...]
    by_demos: tuple[Cell, ...]
    instruction_texts: tuple[str, ...]
    """Empty if the candidates were not recorded."""
    demo_counts: tuple[int, ...]
    not_tried: int
    """Number of cells that no trial tried."""


@dataclass(frozen=True)
class Option:
    """One value of a parameter."""

    value: str
    cell: Cell


@dataclass(frozen=True)
class Parameter:
    """A parameter of the trials with at least two values."""

    name: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Choices:
    """Values among which the trials chose."""

    grids: tuple[Grid, ...]
    parameters: tuple[Parameter, ...]
    not_counted: tuple[int, ...]
    """Trials with results that the optimizer ran without choosing, such as the start of MIPROv2."""


def choices(found: Compile) -> Choices | None:
    """Return the choices of an optimizer whose trials have parameters; None if they have none."""
    trials = [trial for trial in found.trials if trial.results and trial.row.parameters]
    names = sorted({name for trial in trials for name in trial.row.parameters} - _BOOKKEEPING)
    pairs = sorted({match["predictor"] for name in names if (match := CHOICE_PARAMETER.fullmatch(name))})
    grids = tuple(_grid(found, trials, predictor) for predictor in pairs)
    parameters = [_parameter(trials, name) for name in names if not CHOICE_PARAMETER.fullmatch(name)]
    kept = tuple(parameter for parameter in parameters if 2 <= len(parameter.options) <= _MAX_OPTIONS)  # noqa: PLR2004 - one value is not a choice
    apart = tuple(trial.row.index for trial in found.trials if trial.results and not trial.row.parameters)
    return Choices(grids, kept, apart) if grids or kept else None


def _grid(found: Compile, trials: Sequence[Trial], predictor: str) -> Grid:
    texts = found.candidates.instructions.get(predictor, ())
    sizes = found.candidates.demos.get(predictor, ())
    rows = _indexes(trials, _PARAMETER.format(predictor, "instruction"), len(texts))
    columns = _indexes(trials, _PARAMETER.format(predictor, "demos"), len(sizes))

    def chosen(instruction: int | None, demos: int | None) -> Cell:
        return _cell(
            trial
            for trial in trials
            if instruction in (None, trial.row.parameters.get(_PARAMETER.format(predictor, "instruction")))
            and demos in (None, trial.row.parameters.get(_PARAMETER.format(predictor, "demos")))
        )

    cells = tuple(tuple(chosen(row, column) for column in columns) for row in rows)
    return Grid(
        predictor,
        rows,
        columns,
        cells,
        tuple(chosen(row, None) for row in rows),
        tuple(chosen(None, column) for column in columns),
        tuple(texts),
        tuple(sizes),
        sum(cell.mean is None for line in cells for cell in line),
    )


def _indexes(trials: Iterable[Trial], name: str, candidates: int) -> tuple[int, ...]:
    tried = {value for trial in trials if isinstance(value := trial.row.parameters.get(name), int)}
    return tuple(sorted(tried | set(range(candidates))))[:_MAX_GRID]


def _parameter(trials: Sequence[Trial], name: str) -> Parameter:
    by_value: dict[str, list[Trial]] = {}
    for trial in trials:
        if name in trial.row.parameters:
            by_value.setdefault(json.dumps(trial.row.parameters[name], default=str), []).append(trial)
    return Parameter(name, tuple(Option(value, _cell(group)) for value, group in sorted(by_value.items())))


def _cell(trials: Iterable[Trial]) -> Cell:
    chosen = list(trials)
    scores = [score for trial in chosen for score in trial.scores.values()]
    return Cell(sum(scores) / len(scores) if scores else None, len(scores), len(chosen))
