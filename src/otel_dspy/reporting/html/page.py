"""Rendering of the page from its template."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.formatting.trial_values import difference_text, score_value_text
from otel_dspy.reporting.comparison.text_comparison import figure_rows
from otel_dspy.reporting.html.curves_chart import curves_chart
from otel_dspy.reporting.html.flip_matrix_chart import flip_matrix_chart
from otel_dspy.reporting.html.lineage_chart import lineage_chart
from otel_dspy.reporting.html.score_chart import score_charts
from otel_dspy.reporting.html.timeline_chart import timeline_chart
from otel_dspy.reporting.number_text import (
    duration_text,
    metric_difference_text,
    metric_mean_text,
    probability_text,
    role_text,
    unpriced_text,
    use_text,
)
from otel_dspy.reporting.sections.answers_outside_labels import answers_outside_labels
from otel_dspy.reporting.sections.choices import choices
from otel_dspy.reporting.sections.cost import cost
from otel_dspy.reporting.sections.flip_matrix import flip_matrix
from otel_dspy.reporting.sections.forecast import forecast
from otel_dspy.reporting.sections.hard_cases import hard_cases
from otel_dspy.reporting.sections.lineage import lineage
from otel_dspy.reporting.sections.production import production
from otel_dspy.reporting.sections.prompts.changed_parts import changed_parts
from otel_dspy.reporting.sections.prompts.changed_words import changed_words
from otel_dspy.reporting.sections.prompts.prompt_blame import prompt_blame
from otel_dspy.reporting.sections.prompts.prompt_diff import prompt_diff
from otel_dspy.reporting.sections.prompts.whole_prompts import whole_prompts
from otel_dspy.reporting.sections.result.gains import gains
from otel_dspy.reporting.sections.result.repeated_programs import repeated_programs
from otel_dspy.reporting.sections.score_history import score_history
from otel_dspy.reporting.sections.setup import setup
from otel_dspy.reporting.sections.timeline import timeline
from otel_dspy.reporting.trials.trial_line import numbers_text
from otel_dspy.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.reporting.comparison.run_comparison import RunsComparison
    from otel_dspy.reporting.compile_result import Compile
    from otel_dspy.reporting.sections.result.verdict import Verdict


def page(found: Compile, judged: Verdict, against: RunsComparison | None = None) -> str:
    """Return the whole page; it loads nothing, runs no script, and escapes all content.

    Args:
        found: the optimization.
        judged: its verdict.
        against: its comparison with another optimization, which comes first there.
    """
    history, matrix, tree, when = score_history(found), flip_matrix(found), lineage(found), timeline(found)
    diffs = prompt_diff(found)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            found=found,
            verdict=judged,
            against=against,
            against_chart=curves_chart(against.runs) if against else None,
            figures=figure_rows(against.runs) if against else None,
            history=history,
            score_charts=score_charts(history, found.initial_score, found.unit),
            repeated=repeated_programs(found),
            matrix=matrix,
            flip_matrix_chart=flip_matrix_chart(matrix) if matrix else None,
            gains=gains(found),
            parts=changed_parts(found),
            outside=answers_outside_labels(found),
            choices=choices(found),
            lineage=tree,
            lineage_chart=lineage_chart(tree) if tree else None,
            diffs=diffs,
            words=changed_words(diffs),
            numbers=numbers_text(trial.row for trial in found.trials),
            prompts=whole_prompts(found),
            blames=prompt_blame(found),
            cost=cost(found),
            production=production(found),
            forecast=forecast(found),
            hard=hard_cases(found),
            timeline=when,
            timeline_chart=timeline_chart(when) if when else None,
            setup=setup(found),
            version=__version__,
        )
    )


@cache
def environment() -> Environment:
    """Return the environment of the templates: it escapes all content, and an undefined name is an error."""
    made = Environment(
        loader=PackageLoader("otel_dspy.reporting.html"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    filters = cast("dict[str, Callable[..., str]]", made.filters)
    filters |= {
        "px": _px,
        "score": score_value_text,
        "mean": "{:.2f}".format,
        "metric_mean": metric_mean_text,
        "metric_difference": metric_difference_text,
        "difference": difference_text,
        "grouped": "{:,}".format,
        "use": use_text,
        "role": role_text,
        "unpriced": unpriced_text,
        "counted": counted,
        "probability": probability_text,
        "duration": duration_text,
        "share": _share,
    }
    return made


def _px(value: float) -> str:
    """Return a coordinate without superfluous digits."""
    return f"{value:.1f}".removesuffix(".0")


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"
