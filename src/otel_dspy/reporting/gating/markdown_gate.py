"""The result of a gate as GitHub-flavored Markdown, for a job's summary or a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.markdown import markdown_text
from otel_dspy.reporting.comparison.text_comparison import figure_rows
from otel_dspy.reporting.gating.checks import WORDS

if TYPE_CHECKING:
    from otel_dspy.reporting.gating.checks import GateResult

_MARKS: Final = {"pass": "✅", "fail": "❌", "unknown": "❔"}


def markdown(result: GateResult) -> str:
    """Return a heading, a table of the checks and a table of both runs."""
    lines = [f"### otel-dspy gate: {WORDS[result.status]}", "", "| | Check | Result |", "|---|---|---|"]
    lines += [f"| {_MARKS[check.status]} | {check.name} | {markdown_text(check.message)} |" for check in result.checks]
    if result.run is not None and result.baseline is not None:
        run, baseline = result.run, result.baseline
        lines += ["", f"| | {markdown_text(run.name)} | {markdown_text(baseline.name)} (baseline) |", "|---|---|---|"]
        lines += [
            f"| {name} | {' | '.join(map(markdown_text, values))} |" for name, values in figure_rows((run, baseline))
        ]
    return "\n".join(lines) + "\n"
