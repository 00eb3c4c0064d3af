"""The report as plain text, for terminals and CI logs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from otel_dspy.reporting.comparison.text_comparison import text as comparison_text
from otel_dspy.reporting.sections.result.repeated_programs import repeated_programs
from otel_dspy.reporting.sections.result.stopped_text import state_text
from otel_dspy.reporting.table_lines import table_lines
from otel_dspy.reporting.terminal.trials_table import trials_table

if TYPE_CHECKING:
    from otel_dspy.reporting.comparison.run_comparison import RunsComparison
    from otel_dspy.reporting.compile_result import Compile
    from otel_dspy.reporting.sections.result.verdict import Verdict


def verdict_text(judged: Verdict) -> str:
    """Return the verdict as lines of text; warnings begin with an exclamation mark."""
    evidence = " ".join(text for text in (judged.evidence, judged.needed) if text)
    sentences = (judged.headline, evidence, judged.changes, judged.cost)
    return "\n".join([*(text for text in sentences if text), *(f"! {warning}" for warning in judged.warnings)])


def text_report(found: Compile, judged: Verdict, against: RunsComparison | None = None) -> str:
    """Return the verdict and the table of trials as lines of text without colors.

    Args:
        found: the optimization.
        judged: its verdict.
        against: its comparison with another optimization.
    """
    lines = [verdict_text(judged), *(["", *_trials(found)] if found.trials else [])]
    if repeated := repeated_programs(found):
        lines += ["", *(one.text for one in repeated)]
    if found.run_id:
        lines += ["", f"Run {found.run_id}" + (f" in {found.tracking_uri}" if found.tracking_uri else "")]
    if against is not None:
        lines += ["", comparison_text(against).rstrip()]
    return "\n".join(lines) + "\n"


def _trials(found: Compile) -> list[str]:
    table = trials_table(
        [replace(trial.row, state=state_text(trial)) for trial in found.trials],
        title="Trials (* is the winner)",
        usage=found.usage if found.usage.calls else None,
        models=found.usage_by_model,
    )
    return table_lines(table)
