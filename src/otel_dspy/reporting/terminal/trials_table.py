"""Table of trials, printed at the end of an optimization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.formatting.trial_values import NONE
from otel_dspy.reporting.number_text import use_text
from otel_dspy.reporting.rich_classes import SIMPLE_HEAD, Table, Text, escape
from otel_dspy.reporting.trials.trial_line import choice_text, numbers_text, score_text
from otel_dspy.reporting.trials.trial_row import ModelUse
from otel_dspy.reporting.trials.trial_selection import best_index, shown_trials

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.reporting.trials.trial_row import TrialRow


_NUMBER, _SCOPE, _SCORE, _TRIED = "trial", "scope", "score", "tried"
_USE: Final = ("tokens", "seconds")
_FOR_USE: Final = 70
_FOR_SCOPE: Final = 50
"""Width of a terminal, in characters, that has room for these and for twelve characters of what was tried."""
_MINIBATCH: Final = "minibatch: some of the examples; only full scores compete."
_COMPETING_MINIBATCH: Final = "minibatch: some of the examples."
"""Used where a trial that is scored on a part of the examples can be the best one (evaluation policies of GEPA)."""


def trials_table(  # noqa: PLR0913 - what is shown, and its room
    rows: Sequence[TrialRow],
    *,
    title: str,
    most: int | None = None,
    usage: ModelUse | None = None,
    models: Mapping[str, ModelUse] | None = None,
    width: int | None = None,
) -> Table:
    """Return a table of trials ordered by index, a line for each where 80 columns are enough; `*` marks the best.

    In a narrow terminal tokens and seconds are left out, then the scope: numbers would be cut off.

    Args:
        rows: the trials.
        title: title of the table.
        most: maximum number of rows: the first and the best trial, then those with the largest full scores; None: all.
        usage: usage of the whole optimization, shown below the table; None: the sum over the trials.
        models: the same by language model, shown if there are several; used with `usage` only.
        width: columns of the terminal; None: enough.
    """
    every = sorted(rows, key=lambda row: row.index)
    best = best_index(every)
    ordered = every if most is None else shown_trials(every, most)
    captions = [_totals(every, usage, models or {})]
    if len(ordered) < len(every):
        captions.insert(0, f"{counted(len(every) - len(ordered), 'trial')} not shown")
    parts = [row for row in ordered if row.scope == "minibatch"]
    if parts:
        captions.insert(0, _COMPETING_MINIBATCH if any(row.leads for row in parts) else _MINIBATCH)
    if numbers := numbers_text(ordered):
        captions.insert(0, numbers)
    table = Table(
        title=title,
        title_justify="left",
        caption=escape("\n".join(captions)),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1),
    )
    columns = [_NUMBER, _SCOPE, _SCORE, _TRIED, *_USE]
    if width is not None and width < _FOR_USE:
        columns = [_NUMBER, _SCOPE, _SCORE, _TRIED] if width >= _FOR_SCOPE else [_NUMBER, _SCORE, _TRIED]
    for column in columns:
        if column == _TRIED:
            table.add_column(column, overflow="fold")
        else:
            table.add_column(column, justify="left" if column == _SCOPE else "right", no_wrap=True)
    for row in ordered:
        cells = {
            _NUMBER: f"* {row.index}" if row.index == best else str(row.index),
            _SCOPE: row.scope or NONE,
            _SCORE: score_text(row) if row.state == "complete" else row.state,
            _TRIED: choice_text(row),
            "tokens": f"{row.use.tokens:,}" if row.observed else NONE,
            "seconds": f"{row.seconds:.1f}",
        }
        table.add_row(*(Text(cells[column]) for column in columns), style="bold" if row.index == best else None)
    return table


def _totals(rows: Sequence[TrialRow], usage: ModelUse | None, models: Mapping[str, ModelUse]) -> str:
    """Return the usage of the optimization, or of all trials, and of each language model if there are several."""
    trials = counted(len(rows), "trial")
    if usage is not None:
        return "\n".join([f"{trials}; the whole optimization: {use_text(usage)}", *_by_model(models)])
    whole, found = ModelUse(), dict[str, ModelUse]()
    for row in rows:
        whole = whole.plus(row.use)
        for name, use in row.models.items():
            found[name] = found.get(name, ModelUse()).plus(use)
    return "\n".join([f"{trials}: {use_text(whole)}", *_by_model(found)])


def _by_model(models: Mapping[str, ModelUse]) -> list[str]:
    return [f"{name}: {use_text(use)}" for name, use in sorted(models.items())] if len(models) > 1 else []
