"""`otel_dspy.compare`: the comparison of optimizations that MLflow has recorded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from typing_extensions import override

from otel_dspy.argument_checks import check_text, check_texts
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.html_result import HtmlResult
from otel_dspy.reporting.required_packages import check_packages

if TYPE_CHECKING:
    from otel_dspy.reporting.comparison.run_comparison import RunsComparison
    from otel_dspy.reporting.compile_result import Compile


@dataclass(frozen=True, repr=False)
class Comparison(HtmlResult):
    """The comparison of two optimizations or more, in several formats."""

    frame_title = "Comparison of optimizations"

    compiles: tuple[Compile, ...]
    """What was read from MLflow: of the trials' results and programs, only those of the winners."""

    @cached_property
    def data(self) -> RunsComparison:
        """Figures, parameters, and the first run against each of the others."""
        from otel_dspy.reporting.comparison.run_comparison import compare_runs  # noqa: PLC0415 - SciPy: seconds

        return compare_runs(self.compiles)

    @property
    def verdict(self) -> str:
        """One sentence for each run after the first: better, worse, or a difference that is noise."""
        return "\n".join(pair.verdict for pair in self.data.pairs)

    @override
    def _page(self) -> str:
        from otel_dspy.reporting.html.comparison_page import comparison_page  # noqa: PLC0415 - an optional package

        return comparison_page(self.data, self.compiles[0].tracking_uri)

    @property
    def text(self) -> str:
        """Plain text."""
        from otel_dspy.reporting.comparison.text_comparison import text  # noqa: PLC0415 - an optional package

        return text(self.data)

    @property
    def json(self) -> str:
        """A JSON object."""
        from otel_dspy.reporting.comparison.json_comparison import json_text  # noqa: PLC0415 - as above

        return json_text(self.data)

    def __str__(self) -> str:
        """Return the plain text."""
        return self.text


def compare(first: str, *others: str, tracking_uri: str | None = None) -> Comparison:
    """Compare optimizations that MLflow has recorded: the first one with each of the others.

    MLflow is read once it has what this process has recorded.

    Args:
        first: id of the run to compare with; `latest` is the optimization that started last.
        *others: ids of the runs that are compared, at least one.
        tracking_uri: the MLflow store; None for MLflow's current one.

    Returns:
        The comparison; a notebook shows it.

    Raises:
        ReportError: A run does not exist, is not that of an optimization or has no results yet; no second run is
            named; or a package of the extra `report` is missing.
        ValueError: An argument is not a text, or is empty.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    for run in (first, *others):
        check_text("compare", "run", run)
    check_texts("compare", tracking_uri=tracking_uri)
    if not others:
        raise ReportError("A comparison needs two runs or more: compare(RUN, RUN, …), or otel-dspy compare RUN RUN…")
    check_packages()
    import mlflow  # noqa: PLC0415 - seconds

    from otel_dspy.mlflow.flushing import flush_before_reading  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.reporting.runs.read_compile import read_compile  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.reporting.runs.read_error import store_errors  # noqa: PLC0415 - the same

    flush_before_reading()
    uri = tracking_uri or mlflow.get_tracking_uri()
    with store_errors(uri):
        return Comparison(tuple(read_compile(uri, run, only_winner=True) for run in (first, *others)))
