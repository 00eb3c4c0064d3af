"""HTML and plain text of the progress of one optimization. Colors are the notebook's own, light or dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.formatting.trial_values import NONE, score_value_text
from otel_dspy.reporting.terminal.compile_lines import forecast_text, has_gain, result_text
from otel_dspy.reporting.terminal.running_text import running_steps
from otel_dspy.reporting.trials.trial_line import choice_text, kind_text, score_text
from otel_dspy.reporting.trials.trial_selection import shown_trials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.reporting.terminal.compile_lines import RunLocation
    from otel_dspy.reporting.terminal.compile_progress import CompileView
    from otel_dspy.reporting.trials.trial_row import TrialRow

_MOST: Final = 10
_COLUMNS: Final = (
    ("trial", "right"), ("tried", "left"), ("score", "right"), ("scored on", "left"), ("best so far", "right"),
)  # fmt: skip
_LINKED: Final = ("http://", "https://")


def progress_html(view: CompileView, location: RunLocation, verdict: str | None = None) -> str:
    """Return the progress as HTML: a line on the state, a table of the foremost trials, where it is recorded.

    Args:
        view: the optimization's state.
        location: where it is recorded.
        verdict: whether the gain is more than chance, once that is known.
    """
    shown = shown_trials(view.trials, _MOST)
    lines = [f"<p><strong>{escape(_name(view))}</strong>: {escape(_state(view))}</p>"]
    if shown:
        head = "".join(f'<th scope="col" style="text-align:{align}">{name}</th>' for name, align in _COLUMNS)
        body = "".join(_row(row, view) for row in shown)
        lines.append(f'<table style="color:inherit"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
    if left := len(view.trials) - len(shown):
        lines.append(f"<p>{counted(left, 'trial')} not shown</p>")
    lines.append(f"<p>Recorded in {escape(location.description)}: {_link(location.open_with)}</p>")
    if verdict is not None:
        lines.append(f"<p>{escape(verdict)}</p>")
    elif has_gain(view):
        # Until the verdict arrives: a program that executes a notebook may have ended the cell before.
        lines.append(f"<p>Is the gain more than chance? <code>{escape(location.report_with)}</code></p>")
    return f"<div>{''.join(lines)}</div>"


def progress_text(view: CompileView, location: RunLocation, verdict: str | None = None) -> str:
    """Return the progress as plain text, for frontends that show no HTML.

    Args:
        view: the optimization's state.
        location: where it is recorded.
        verdict: whether the gain is more than chance, once that is known.
    """
    lines = [f"{_name(view)}: {_state(view)}", *([] if verdict is None else [verdict])]
    return "\n".join([*lines, f"Recorded in {location.description}: {location.open_with}"])


def _name(view: CompileView) -> str:
    return f"{view.optimizer} on {view.program}"


def _state(view: CompileView) -> str:
    if view.ended and view.result is not None:
        return result_text(view, view.result)
    return ", ".join(_steps(view)) or "started"


def _steps(view: CompileView) -> Iterator[str]:
    yield from running_steps(view)
    if view.best is None and view.expected_calls is not None:
        yield f"{forecast_text(*view.expected_calls)} to be expected, without those of the metric"


def _row(row: TrialRow, view: CompileView) -> str:
    is_best = view.best is not None and row.index == view.best.index
    cells = (
        f"{row.index}{' ★' if is_best else ''}",
        choice_text(row),
        score_text(row) if row.state == "complete" else kind_text(row),
        row.scope or NONE,
        score_value_text(None if row.failure is not None and not row.best_score else row.best_score, row.unit),
    )
    weight = ' style="font-weight:bold"' if is_best else ""
    data = "".join(
        f'<td style="text-align:{align}">{escape(cell)}</td>' for cell, (_, align) in zip(cells, _COLUMNS, strict=True)
    )
    return f"<tr{weight}>{data}</tr>"


def _link(target: str) -> str:
    text = escape(target)
    if not target.startswith(_LINKED):
        return f"<code>{text}</code>"
    return f'<a href="{text}" target="_blank" rel="noopener">{text}</a>'
