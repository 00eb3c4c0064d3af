"""Span processor that maps otel-dspy's spans to MLflow."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import format_span_id

from otel_dspy.environment.quantities import MOST_SECONDS
from otel_dspy.mlflow import autologging_conflict, destination, flushing
from otel_dspy.mlflow.closed_warning import ClosedWarning
from otel_dspy.mlflow.delivery.drain_timeout import DrainTimeout
from otel_dspy.mlflow.delivery.trace_routing import TraceRouter
from otel_dspy.mlflow.delivery.worker import Worker
from otel_dspy.mlflow.destination_arguments import check_destination
from otel_dspy.mlflow.dropped_attributes_warning import DroppedAttributesWarning
from otel_dspy.mlflow.fluent import tracing as fluent_tracing
from otel_dspy.mlflow.fluent.scorers import in_discarded_scorer
from otel_dspy.mlflow.records import evaluation_datasets_setting
from otel_dspy.mlflow.records.route import Options, RootKind
from otel_dspy.mlflow.tracking.requests import http_policy
from otel_dspy.mlflow.tracking.runs import run_reports
from otel_dspy.runtime.bounded_dict import BoundedDict
from otel_dspy.runtime.deferred_queue import drain_deferred

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.trace import Span as ApiSpan
    from opentelemetry.trace import SpanContext

    from otel_dspy.mlflow.records.route import Destination, Route

_logger = logging.getLogger(__name__)


NOTHING: Final = Options(
    log_traces=False, log_traces_from_compile=False, log_traces_from_eval=False, log_compiles=False, log_evals=False
)

MAX_UNDELIVERED: Final = 10_000
"""Maximum number of remembered traces that may not be delivered, for the program's own requests for them."""


class MlflowSpanProcessor(SpanProcessor):
    """Logs every ended span to MLflow: runs, metrics, artifacts and traces.

    Add it to a TracerProvider, or let `otel_dspy.mlflow.autolog` do so. Nothing is sent on the thread that ends a span,
    and no failure is raised there.
    """

    accepts_deferred_ends = True
    """See `otel_dspy.exporter.flush_hooks`."""

    def __init__(  # noqa: PLR0913 - the flags of mlflow.dspy.autolog, by name
        self,
        *,
        tracking_uri: str | Path | None = None,
        experiment: str | None = None,
        workspace: str | None = None,
        log_traces: bool = True,
        log_traces_from_compile: bool = True,
        log_traces_from_eval: bool = True,
        log_compiles: bool = True,
        log_evals: bool = True,
        log_evaluation_datasets: bool | None = None,
    ) -> None:
        """Create a processor; MLflow receives no request before the first span.

        Args:
            tracking_uri: tracking URI; defaults to MLflow's when a compile, evaluation or call starts.
            experiment: name of the experiment, created if it does not exist; an open run is then not written to.
                Defaults to MLflow's experiment; for a tracking URI or a workspace other than MLflow's, as in `autolog`.
            workspace: name of the MLflow workspace, or "" for a server without workspaces; defaults to that of
                `mlflow.set_workspace` or MLFLOW_WORKSPACE when a compile, evaluation or call starts.
            log_traces: log traces.
            log_traces_from_compile: log traces of compiles, including their examples.
            log_traces_from_eval: log example traces of stand-alone evaluations.
            log_compiles: log a run for each compile.
            log_evals: log a run for each trial, and for each stand-alone evaluation, unless a run is open: the
                evaluation is then part of it.
            log_evaluation_datasets: log training and validation sets as evaluation datasets, where MLflow's store has
                them and content is captured; defaults to OTEL_DSPY_MLFLOW_EVALUATION_DATASETS, else off.

        Raises:
            ValueError: a flag is not a boolean, or another argument not a text, or empty.
        """
        options = Options(
            log_traces=log_traces,
            log_traces_from_compile=log_traces_from_compile,
            log_traces_from_eval=log_traces_from_eval,
            log_compiles=log_compiles,
            log_evals=log_evals,
            log_evaluation_datasets=evaluation_datasets_setting.wanted(log_evaluation_datasets),
        )
        check_destination("MlflowSpanProcessor", options, tracking_uri, experiment, workspace)
        self.configure(options, tracking_uri, experiment, workspace)
        http_policy.prepare()
        self._undelivered: BoundedDict[str, bool] = BoundedDict(MAX_UNDELIVERED)
        """Traces that may not have been delivered, and whether each has ended."""
        self._router = TraceRouter(self._capture, self._follows_mlflow)
        self._worker = Worker()
        self._failed = False
        self._closed_warning = ClosedWarning()
        self._dropped_warning = DroppedAttributesWarning()
        flushing.register(self)
        fluent_tracing.connect(self)

    def configure(
        self,
        options: Options,
        tracking_uri: str | Path | None,
        experiment: str | None,
        workspace: str | None = None,
    ) -> None:
        """Change the options and the destination of everything that starts from now on.

        Args:
            options: the options of `autolog`.
            tracking_uri: the tracking URI or a folder; None: MLflow's current one when work starts.
            experiment: the experiment's name; None: MLflow's current one when work starts.
            workspace: the workspace's name; None: MLflow's current one when work starts.
        """
        if isinstance(tracking_uri, Path):
            tracking_uri = tracking_uri.resolve().as_uri()  # as mlflow.set_tracking_uri does
        self._wanted = (options, tracking_uri, experiment, workspace)

    @property
    def destination(self) -> Destination:
        """The destination of what starts now."""
        return self._capture()[0]

    @property
    def writes_reports(self) -> bool:
        """Whether reports are written on the compiles that start now."""
        return self._wanted[0].log_compiles and run_reports.enabled()

    def _capture(self) -> tuple[Destination, str | None, Options]:
        options, tracking_uri, experiment, workspace = self._wanted
        where, user_run = destination.current(tracking_uri, experiment, workspace)
        return where, user_run, NOTHING if in_discarded_scorer() else options

    def _follows_mlflow(self) -> bool:
        _, tracking_uri, experiment, workspace = self._wanted
        return experiment is None and destination.is_mlflows(tracking_uri, workspace)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Determine the span's route."""
        try:
            route = self._router.started(span, parent_context)
            if route is not None:
                self._worker.start()
                if self.closed:
                    self._closed_warning.span_started()
            if route is not None and route.options.log_traces:
                self._undelivered[route.context.trace_id] = False
            if route is not None and route.context.kind in {RootKind.COMPILE, RootKind.EVALUATE}:
                autologging_conflict.warn_if_mlflow_autologs()
        except Exception as error:  # noqa: BLE001 - no failure may reach the user's program
            self._warn_once(error)

    def placeholder_span(self, span: SpanContext) -> ApiSpan | None:
        """See `tracing.Source`."""
        return self._router.placeholder_span(span)

    def deliver(self, trace_id: str) -> None:
        """See `tracing.Source`."""
        if trace_id not in self._undelivered:
            return
        drain_deferred()
        ended = [one for one, has_ended in list(self._undelivered.items()) if has_ended]
        if trace_id in ended and self.drain():
            for delivered in ended:
                self._undelivered.pop(delivered, None)
            self._router.release(trace_id)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span."""
        try:
            route = self._router.ended(span)
            if route is not None:
                self._worker.put(span, route)
                self._note_end(span, route)
                self._dropped_warning.span_ended(span)
        except Exception as error:  # noqa: BLE001 - the same
            self._warn_once(error)

    def _note_end(self, span: ReadableSpan, route: Route) -> None:
        own = span.get_span_context()
        trace_id = route.context.trace_id
        if own is not None and format_span_id(own.span_id) == route.context.root_id and trace_id in self._undelivered:
            self._undelivered[trace_id] = True

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until all ended spans have been delivered to MLflow.

        Args:
            timeout_millis: milliseconds to wait at most.

        Returns:
            False if the timeout expired.
        """
        seconds = min(timeout_millis / 1000, MOST_SECONDS)
        deadline = time.monotonic() + seconds
        in_time = drain_deferred(seconds=seconds)
        return self._worker.flush(max(0.0, deadline - time.monotonic())) and in_time

    def wait_for_reports(self, timeout: float, *, exits: bool = False) -> None:
        """Wait, after a flush, until the reports on optimizations that have ended are written or given up.

        Args:
            timeout: seconds; ten at most are waited.
            exits: whether the process ends: those that are given up are logged.
        """
        self._worker.wait_for_reports(timeout, exits=exits)

    def drain(self) -> bool:
        """Wait for delivery, for at most OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT (60 s), and 5 s while MLflow does not respond.

        Returns:
            False if spans are left, which are then in the spool.
        """
        drain_deferred()
        return self._worker.drain(DrainTimeout.from_environment())

    def shutdown(self, *, wait: bool = True, end_runs: bool = True) -> None:
        """Drain and stop; a warning names the spool files of undelivered spans.

        Args:
            wait: wait for delivery as `drain` does.
            end_runs: end open runs as KILLED and traces as ERROR, with the reason: nothing can end them afterwards.
        """
        exits = self._closed_warning.canceled or not threading.main_thread().is_alive()
        drain_deferred(last=True)
        fluent_tracing.disconnect(self)
        deadline = DrainTimeout.from_environment() if wait else DrainTimeout(0, 0)
        self._worker.close(deadline, end_runs=end_runs, exits=exits)

    def expect_shutdown(self) -> None:
        """Log no warning for what starts after the shutdown: the program wants it, or the process ends."""
        self._closed_warning.cancel()

    @property
    def closed(self) -> bool:
        """Whether it was shut down: nothing more is recorded."""
        return self._worker.closed

    @property
    def lost(self) -> int:
        """Number of operations and spans that were rejected by MLflow, or dropped because the spool was full."""
        return self._worker.lost

    def _warn_once(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            _logger.warning(
                "A span could not be recorded for MLflow; the program is not affected, and further failures are not "
                "logged",
                exc_info=error,
            )
