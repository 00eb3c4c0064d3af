"""Description of an optimization's run in Markdown, which MLflow shows on top of the run's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.markdown import markdown_row, markdown_text
from otel_dspy.formatting.trial_values import difference_text, score_value_text
from otel_dspy.mlflow.mapping.runs.saved_view_content import trials_link
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.required_packages import check_packages
from otel_dspy.reporting.runs.read_compile import read_unfinished
from otel_dspy.reporting.sections.result.headline import cost, headline
from otel_dspy.reporting.sections.result.stopped_text import after_stop
from otel_dspy.reporting.trials.trial_line import choice_text, numbers_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.compile_result import Compile, Trial
    from otel_dspy.reporting.sections.result.verdict import Verdict

TRIALS: Final = 5
"""Number of the best trials that the description lists."""
_WARNINGS: Final = 4
_LONGEST: Final = 300
"""Longest warning; it may contain an error's message."""


def run_description(found: Compile, judged: Verdict) -> str:
    """Return the description: the verdict, the best trials, and where the report is.

    Args:
        found: the optimization.
        judged: its verdict.
    """
    paragraphs = [text for text in (judged.headline, judged.evidence, judged.changes, judged.cost) if text]
    warnings = [text for text in (judged.needed, *judged.warnings) if text]
    return _description(found, paragraphs, warnings, "artifact `report.html`, or ")


def stopped_description(found: Compile) -> str:
    """Return the description of an optimization that was stopped: as `run_description`, without results by example.

    It needs no package but MLflow, and reads no artifacts: a program that is interrupted ends as soon as it can.

    Args:
        found: the optimization, as `read_unfinished` returns it.
    """
    return _description(found, (headline(found), cost(found)), tuple(after_stop(found)), "")


def describe_running(tracking_uri: str, run_id: str) -> str:
    """Return the description of an optimization that is in progress: phase, trials that ended, best so far.

    Results by example are not read.

    Args:
        tracking_uri: the store.
        run_id: its run.

    Raises:
        ReportError: There is no such run, it is not that of an optimization, or a package of the extra `report` is
            missing.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    check_packages()
    return running_description(read_unfinished(tracking_uri, run_id))


def running_description(found: Compile) -> str:
    """Return the description of an optimization that is in progress, without results by example.

    Args:
        found: the optimization, as `read_unfinished` returns it.
    """
    return _description(found, (headline(found), *([cost(found)] if found.trials else [])), (), "")


def describe_stopped(tracking_uri: str, run_id: str) -> str | None:
    """Return the description of a run that has ended as KILLED; None if it is not that of an optimization.

    Args:
        tracking_uri: the store.
        run_id: the run.

    Raises:
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    try:
        found = read_unfinished(tracking_uri, run_id)
    except ReportError:
        return None
    return stopped_description(found)


def _description(found: Compile, paragraphs: Sequence[str], warnings: Sequence[str], page: str) -> str:
    first, *others = (markdown_text(text) for text in paragraphs)
    # Lines of one paragraph: MLflow folds all but the first 130 pixels or so.
    lines = [f"**{first}**", *(["", "  \n".join(others)] if others else [])]
    best = _best_trials(found)
    if best:
        lines += ["", "| trial | tried | score | examples | against the start |", "| ---: | --- | ---: | ---: | ---: |"]
        lines += [markdown_row(*cells) for cells in best]
    if warnings:
        lines += ["", *(f"- {markdown_text(_short(warning))}" for warning in warnings[:_WARNINGS])]
    if numbers := numbers_text(trial.row for trial in found.trials):
        lines += ["", numbers]
    report = f"Report: {page}`otel-dspy report {found.run_id}`"
    if found.experiment_id:
        report += f" · [Trials of the experiment, best first]({trials_link(found.experiment_id)})"
    lines += ["", report]
    return "\n".join(lines)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _best_trials(found: Compile) -> list[tuple[str, ...]]:
    full = [trial for trial in found.trials if trial.is_full]
    # A stable sort: of equal scores the earlier trial is first, as most optimizers choose.
    ordered = sorted(full, key=lambda trial: trial.row.score or 0.0, reverse=True)[:TRIALS]
    return [
        (
            f"{trial.row.index}{' ★' if trial.row.index == found.best_trial else ''}",
            choice_text(trial.row),
            score_value_text(trial.row.score, found.unit),
            str(len(trial.results)) if trial.results else "",
            _difference(found, trial),
        )
        for trial in ordered
    ]


def _difference(found: Compile, trial: Trial) -> str:
    start = found.start
    if start is None or start.row.score is None or trial.row.score is None or trial is start:
        return ""
    return difference_text(trial.row.score - start.row.score, found.unit)
