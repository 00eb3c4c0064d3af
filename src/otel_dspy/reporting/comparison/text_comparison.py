"""A comparison of runs as plain text, for terminals and CI logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.formatting.trial_values import NONE, score_value_text
from otel_dspy.reporting.number_text import run_duration_text
from otel_dspy.reporting.rich_classes import SIMPLE_HEAD, Table, Text
from otel_dspy.reporting.table_lines import table_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from otel_dspy.reporting.comparison.run_comparison import RunPair, RunsComparison
    from otel_dspy.reporting.comparison.run_figures import RunFigures
    from otel_dspy.reporting.sections.prompts.prompt_diff import PredictorDiff

_SHOWN_TRIALS: Final = 12
"""Most values of a curve in one line."""
_UNKNOWN: Final = "not observed"
"""Usage of a run that called models without DSPy."""
_FIGURES: Final[tuple[tuple[str, Callable[[RunFigures], str]], ...]] = (
    ("program", lambda run: run.program),
    ("status", lambda run: run.status),
    ("initial score", lambda run: score_value_text(run.initial_score, "percent")),
    ("best score", lambda run: score_value_text(run.best_score, "percent")),
    ("gain", lambda run: NONE if run.gain is None else f"{run.gain:+.1f} points"),
    ("trials", lambda run: f"{run.trials:,}"),
    ("duration", lambda run: run_duration_text(run.duration)),
    ("calls", lambda run: f"{run.usage.calls:,}" if run.usage.observed else _UNKNOWN),
    ("tokens", lambda run: f"{run.usage.tokens:,}" if run.usage.observed else _UNKNOWN),
    ("cost", lambda run: cost_text(run.usage.cost, run.usage.unpriced_calls) if run.usage.observed else _UNKNOWN),
    ("cost per point gained", lambda run: _per_point(run, cost_text(run.cost_per_point))),
    ("tokens per point gained", lambda run: _per_point(run, f"{run.tokens_per_point or 0:,.0f}")),
)
"""Rows of the table of runs without that of the examples: names and their values."""
_EXAMPLES_ROW: Final = 2


def figure_rows(runs: Sequence[RunFigures]) -> list[tuple[str, list[str]]]:
    """Return the rows of the table of runs: a name, and the value of each run."""
    rows = [(name, [value(run) for run in runs]) for name, value in _FIGURES]
    rows.insert(_EXAMPLES_ROW, _examples(runs))
    return rows


def _examples(runs: Sequence[RunFigures]) -> tuple[str, list[str]]:
    """Name the set once where all runs are scored on the same kind of it."""
    sets = {run.scored_on for run in runs}
    if len(sets) == 1:
        return f"{sets.pop()} examples", [f"{run.examples:,}" for run in runs]
    return "examples", [f"{run.examples:,} {run.scored_on}" for run in runs]


def cost_text(cost: float | None, unpriced_calls: int = 0) -> str:
    """Format a cost in USD, and the number of calls that it does not include; `price unknown` for None."""
    if cost is None:
        return "price unknown"
    more = f" and {counted(unpriced_calls, 'call')} without a price" if unpriced_calls else ""
    return f"${cost:.4f}{more}"


def _per_point(run: RunFigures, value: str) -> str:
    if run.gain is None or run.gain <= 0:
        return "no gain"
    return value if run.usage.observed else _UNKNOWN


def text(found: RunsComparison) -> str:
    """Return the comparison as lines of text without colors."""
    lines = [pair.verdict for pair in found.pairs]
    lines += [f"! {warning}" for warning in found.warnings]
    names = [run.name for run in found.runs]
    lines += _table("Runs", names, figure_rows(found.runs))
    if found.parameters:
        rows = [(row.name, list(row.values)) for row in found.parameters]
        lines += _table("Parameters that differ", names, rows)
    lines += ["", "Best score up to each trial"]
    lines += [f"  {run.name}: {curve_text(run)}" for run in found.runs]
    for pair in found.pairs:
        lines += _flips(pair)
        lines += _prompt(pair)
    return "\n".join(lines) + "\n"


def curve_text(run: RunFigures) -> str:
    """Format the best scores by trial; of a long curve the trials at which they change, as `trial:score`."""
    values = [score_value_text(score, "percent").removesuffix(" %") for score in run.curve]
    if len(values) <= _SHOWN_TRIALS:
        return " ".join(values) or NONE
    changes = [f"{trial}:{value}" for trial, value in enumerate(values) if not trial or value != values[trial - 1]]
    return f"{' '.join(changes)} ({counted(len(values), 'trial')})"


def _table(title: str, names: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1))
    for name in ("", *names):
        table.add_column(Text(name), overflow="fold")
    for name, values in rows:
        table.add_row(*map(Text, (name, *values)))
    yield ""
    yield from table_lines(table)


def _flips(pair: RunPair) -> Iterator[str]:
    test = pair.examples.test
    if test is None:
        return
    for name, flips, count in (
        ("improved", pair.examples.gained, test.gained),
        ("got worse", pair.examples.lost, test.lost),
    ):
        if flips:
            yield from ("", f"{counted(count, 'example')} {name} from {pair.first} to {pair.second}")
            yield from (f"  {flip.example}: {flip.text} | {flip.first} -> {flip.second}" for flip in flips)
        if count > len(flips):
            yield f"  {count - len(flips)} more"


def _prompt(pair: RunPair) -> Iterator[str]:
    for diff in pair.prompt:
        yield from ("", f"Instructions of {diff.name}, from {pair.first} to {pair.second}")
        yield f"  {'the same' if not diff.changed else words_text(diff)}"
        yield f"  {counted(diff.demos_after, 'demo')}, {diff.demos_before} before"


def words_text(diff: PredictorDiff) -> str:
    """Format a word diff as wdiff does: `[-removed-]` and `{+added+}`."""
    marks = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
    return "".join(f"{marks[piece.kind][0]}{piece.text}{marks[piece.kind][1]}" for piece in diff.pieces)
