"""Operations on reports and descriptions, as requests to `RunReports` for existing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.operations import DescribeRunning, DescribeStopped, LogReport
from otel_dspy.mlflow.mapping.run_keys import CompileRun

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.tracking.runs.open_runs import OpenRuns
    from otel_dspy.mlflow.tracking.runs.run_reports import RunReports
    from otel_dspy.mlflow.tracking.runs.run_sender import RunSender
    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy


class CompileReports:
    """Reports on the compiles of one experiment."""

    def __init__(
        self, writer: WriterStrategy, batches: RunSender, open_runs: OpenRuns, reports: RunReports | None
    ) -> None:
        """Create them.

        Args:
            writer: the experiment.
            batches: receives the tags of descriptions.
            open_runs: describes the runs of compiles that were stopped.
            reports: receives the requests; None: none are written.
        """
        self._writer = writer
        self._batches = batches
        self._open_runs = open_runs
        self._reports = reports

    def apply(self, operation: LogReport | DescribeRunning | DescribeStopped) -> None:
        """Apply one operation; a rejected one is logged and counted."""
        match operation:
            case LogReport(run=run, description=description):
                if description is not None:
                    self._writer.attempts.run("a description", lambda: self._describe_ended(run, description))
                self._writer.attempts.run("a report", lambda: self.request(run, ended=True))
            case DescribeRunning(run=run):
                self._writer.attempts.run("a description", lambda: self._describe(run))
            case DescribeStopped(run=run):
                self._open_runs.describe(lambda: self._writer.runs.handle(run).run_id)

    def request(self, compile_run: RunKey, *, ended: bool) -> None:
        """Request a report on a compile.

        Args:
            compile_run: its run.
            ended: whether the compile has ended.

        Raises:
            Exception: any exception of MLflow and its transports, where the run has not been written yet.
        """
        if self._reports is not None:
            compile_id = compile_run.compile_id if ended and isinstance(compile_run, CompileRun) else None
            run = self._writer.runs.handle(compile_run)
            self._reports.request(self._writer.connection, run, ended=ended, compile_id=compile_id)

    def _describe(self, compile_run: RunKey) -> None:
        if self._reports is not None:
            self._reports.describe(self._writer.connection, self._writer.runs.handle(compile_run))

    def _describe_ended(self, compile_run: RunKey, description: str) -> None:
        if self._reports is not None:
            run = self._writer.runs.handle(compile_run)
            tags = self._reports.ended_tags(self._writer.connection, run, description)
            self._batches.batch(compile_run).add(tags=tags)
