"""Rendering of the page of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.reporting.comparison.text_comparison import figure_rows
from otel_dspy.reporting.html.curves_chart import curves_chart
from otel_dspy.reporting.html.page import environment
from otel_dspy.version import __version__

if TYPE_CHECKING:
    from otel_dspy.reporting.comparison.run_comparison import RunsComparison


def comparison_page(found: RunsComparison, tracking_uri: str) -> str:
    """Return the whole page; it loads nothing, runs no script, and escapes all content.

    Args:
        found: the comparison.
        tracking_uri: the store, without passwords.
    """
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(
            found=found,
            figures=figure_rows(found.runs),
            chart=curves_chart(found.runs),
            tracking_uri=tracking_uri,
            version=__version__,
        )
    )
