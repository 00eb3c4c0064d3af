"""Computes a report or a description and writes it to its run."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.tracking.requests import http_policy, workspaces
from otel_dspy.mlflow.tracking.runs import report_observers
from otel_dspy.mlflow.tracking.runs.description_tag import write_description
from otel_dspy.mlflow.tracking.runs.saved_view_tag import save_trials_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.tracking.runs.ended_descriptions import EndedDescriptions
    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
    from otel_dspy.mlflow.tracking.store.store import RunHandle

PATH: Final = "report.html"
_REPORT: Final = "otel_dspy.reporting.report:read_report"
_DESCRIBE: Final = "otel_dspy.reporting.run_description:describe_running"
"""Loaded by name: that package reads MLflow by means of this one."""


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """A report that is due."""

    connection: Connection
    run: RunHandle
    ended: bool
    stopped: bool = False
    page: bool = True
    """Whether the page is due too; else the description alone."""
    compile_id: str | None = None
    """`dspy.compile.id` of a compile that has ended, to pass its verdict on."""


def write(request: ReportRequest, ended: EndedDescriptions) -> None:
    """Write the report, or the description alone.

    Args:
        request: the report that is due.
        ended: descriptions of compiles that have ended, also since the request.

    Raises:
        Exception: any exception of MLflow, its transports and the report's packages.
    """
    destination, run_id = request.connection.destination, request.run.run_id
    with http_policy.no_retries(0), workspaces.selected(destination.workspace):
        if request.ended:
            ended.report_due(run_id)
        try:
            if request.page:
                _write_page(request, destination.tracking_uri)
            else:
                describe: Callable[[str, str], str] = pkgutil.resolve_name(_DESCRIBE)
                write_description(request.connection.store(), run_id, describe(destination.tracking_uri, run_id))
        finally:
            if not request.ended:
                ended.write_again(request.connection, run_id)


def _write_page(request: ReportRequest, tracking_uri: str) -> None:
    report: Callable[..., Any] = pkgutil.resolve_name(_REPORT)
    run_id, verdict = request.run.run_id, None
    try:
        found = report(run_id, tracking_uri=tracking_uri)
        description, verdict = found.description, found.verdict.evidence
    finally:
        if request.compile_id is not None:
            report_observers.report_written(request.compile_id, verdict)
    save_trials_view(request.connection)
    store = request.connection.store()
    try:
        write_description(store, run_id, description)
    finally:  # the tracking store may reject what the artifact store accepts
        store.artifacts.write_text(request.run.artifact_uri, PATH, found.html)
