"""The result of a gate as GitHub-flavored Markdown, for a job's summary or a comment."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.comparison.text import FIGURES
from otel_dspy.reporting.gating.checks import WORDS

if TYPE_CHECKING:
    from otel_dspy.reporting.gating.checks import GateResult

_MARKS: Final = {"pass": "✅", "fail": "❌", "unknown": "❔"}
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]|~#@])")


def markdown(result: GateResult) -> str:
    """Return a heading, a table of the checks and a table of both runs."""
    lines = [f"### otel-dspy gate: {WORDS[result.status]}", "", "| | Check | Result |", "|---|---|---|"]
    lines += [f"| {_MARKS[check.status]} | {check.name} | {cell(check.message)} |" for check in result.checks]
    if result.run is not None and result.baseline is not None:
        run, baseline = result.run, result.baseline
        lines += ["", f"| | {cell(run.name)} | {cell(baseline.name)} (baseline) |", "|---|---|---|"]
        lines += [f"| {name} | {cell(value(run))} | {cell(value(baseline))} |" for name, value in FIGURES]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Return text as a table's cell: in one line, without meaning as Markdown or HTML, and mentioning no user."""
    return _SPECIAL.sub(r"\\\1", escape(" ".join(text.split()), quote=False))
