"""`otel_dspy.report`: the report on an optimization that MLflow has recorded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from typing_extensions import override

from otel_dspy.argument_checks import check_text, check_texts
from otel_dspy.reporting.html_result import HtmlResult
from otel_dspy.reporting.latest import LATEST
from otel_dspy.reporting.required_packages import check_packages

if TYPE_CHECKING:
    from otel_dspy.reporting.comparison.run_comparison import RunsComparison
    from otel_dspy.reporting.compile_result import Compile
    from otel_dspy.reporting.sections.result.verdict import Verdict


@dataclass(frozen=True, repr=False)
class Report(HtmlResult):
    """The report on one optimization, in several formats."""

    frame_title = "Report on the optimization"

    compile: Compile
    """What was read from MLflow."""
    against: Compile | None = None
    """The optimization that it is compared with."""

    @cached_property
    def comparison(self) -> RunsComparison | None:
        """The comparison of `against` with this optimization."""
        from otel_dspy.reporting.comparison.run_comparison import compare_runs  # noqa: PLC0415 - SciPy: seconds

        return None if self.against is None else compare_runs((self.against, self.compile))

    @cached_property
    def verdict(self) -> Verdict:
        """Which trial won, whether the gain is more than chance, what it cost."""
        from otel_dspy.reporting.sections.result.verdict import verdict  # noqa: PLC0415 - SciPy: seconds

        return verdict(self.compile)

    @override
    def _page(self) -> str:
        from otel_dspy.reporting.html.page import page  # noqa: PLC0415 - an optional package

        return page(self.compile, self.verdict, self.comparison)

    @property
    def text(self) -> str:
        """Plain text."""
        from otel_dspy.reporting.text_report import text_report  # noqa: PLC0415 - an optional package

        return text_report(self.compile, self.verdict, self.comparison)

    @property
    def description(self) -> str:
        """Markdown for the page of the run in MLflow: verdict, best trials, where the report is."""
        from otel_dspy.reporting.run_description import run_description  # noqa: PLC0415 - as above

        return run_description(self.compile, self.verdict)

    @property
    def json(self) -> str:
        """A JSON object."""
        from otel_dspy.reporting.json_report import json_report  # noqa: PLC0415 - as above

        return json_report(self.compile, self.verdict, self.comparison)

    def __str__(self) -> str:
        """Return the plain text."""
        return self.text


def report(
    run: str = LATEST,
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    against: str | None = None,
) -> Report:
    """Read the report on an optimization from MLflow, once it has what this process has recorded.

    Args:
        run: id of the optimization's run, or `latest` for the one that started last.
        tracking_uri: the MLflow store; None for MLflow's current one.
        experiment: name of the experiment in which `latest` searches; None for all.
        against: id of another optimization's run in that store, to compare with.

    Returns:
        The report; a notebook shows it.

    Raises:
        ReportError: There is no such run, it is not that of an optimization, it has no results yet, or a package of
            the extra `report` is missing.
        ValueError: An argument is not a text, or is empty.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    check_text("report", "run", run)
    check_texts("report", tracking_uri=tracking_uri, experiment=experiment, against=against)
    check_packages()
    import mlflow  # noqa: PLC0415 - seconds

    from otel_dspy.mlflow.flushing import flush_before_reading  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.reporting.runs.read_error import store_errors  # noqa: PLC0415 - the same

    flush_before_reading()
    uri = tracking_uri or mlflow.get_tracking_uri()
    with store_errors(uri):
        return read_report(run, tracking_uri=uri, experiment=experiment, against=against)


def read_report(
    run: str, *, tracking_uri: str | None = None, experiment: str | None = None, against: str | None = None
) -> Report:
    """Read the report from MLflow as it is now, without what this process has not delivered.

    Args:
        run: see `report`.
        tracking_uri: see `report`.
        experiment: see `report`.
        against: see `report`.

    Returns:
        The report.

    Raises:
        ReportError: see `report`.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    check_packages()
    import mlflow  # noqa: PLC0415 - seconds

    from otel_dspy.reporting.runs.read_compile import read_compile  # noqa: PLC0415 - MLflow: seconds

    uri = tracking_uri or mlflow.get_tracking_uri()
    other = None if against is None else read_compile(uri, against, experiment, only_winner=True)
    return Report(read_compile(uri, run, experiment), other)
