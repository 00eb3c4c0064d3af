"""Applies operations to MLflow in order, with retries. Applying an operation twice has no further effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from otel_dspy.mlflow.mapping.operations import (
    DescribeRunning,
    DescribeStopped,
    EndRun,
    EnsureRun,
    ForgetPrograms,
    KeepProgram,
    LogChanges,
    LogDataset,
    LogEvaluation,
    LogEvaluationDataset,
    LogMetrics,
    LogModel,
    LogParams,
    LogProgram,
    LogReport,
    LogTable,
    LogText,
)
from otel_dspy.mlflow.mapping.run_keys import CompileRun, TrialRun
from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace, TagTrace
from otel_dspy.mlflow.tracking.artifacts.evaluation_dataset_writer import EvaluationDatasetWriter
from otel_dspy.mlflow.tracking.artifacts.program_writer import ProgramWriter
from otel_dspy.mlflow.tracking.artifacts.table_writer import TableWriter
from otel_dspy.mlflow.tracking.runs import autolog_names
from otel_dspy.mlflow.tracking.runs.compile_reports import CompileReports
from otel_dspy.mlflow.tracking.runs.evaluation_totals import evaluation_points, evaluation_tag
from otel_dspy.mlflow.tracking.runs.open_runs import OpenRuns
from otel_dspy.mlflow.tracking.runs.run_sender import RunSender
from otel_dspy.mlflow.tracking.runs.stale_runs import REASON_TAG
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.mlflow.tracking.traces.trace_attachments import TraceAttachments
from otel_dspy.mlflow.tracking.traces.trace_sender import TraceSender

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_dspy.mlflow.mapping.operations import MetricPoint, Operation
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.tracking.runs.run_reports import RunReports
    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy

    _AtOnce = EnsureRun | LogText | LogTable | LogEvaluation | LogDataset | LogEvaluationDataset | EndRun
    """Operations that neither wait nor are combined with others."""


class OperationApplier:
    """Applies operations to one experiment. Not thread-safe: used by one worker, in order."""

    def __init__(
        self,
        writer: WriterStrategy,
        *,
        urgent: Callable[[], bool] = lambda: False,
        flushing: Callable[[], bool] = lambda: False,
        reports: RunReports | None = None,
    ) -> None:
        """Create an applier.

        Args:
            writer: the experiment. Where it writes the runs of this process, stale runs of processes that have exited
                are ended first.
            urgent: returns whether operations are queued that should be applied before more traces are sent.
            flushing: returns whether the program waits until everything is sent.
            reports: receives the requests for reports on optimizations; None: none are written.
        """
        self._writer = writer
        self._urgent = urgent
        self._batches = RunSender(writer)
        self._traces = TraceSender(writer, urgent, flushing)
        self._attachments = TraceAttachments(writer)
        self._tables = TableWriter(writer, self._batches)
        self._programs = ProgramWriter(writer, self._batches)
        self._datasets = EvaluationDatasetWriter(writer)
        self._open_runs = OpenRuns(writer, reports)
        self._reports = CompileReports(writer, self._batches, self._open_runs, reports)
        self._autolog_names = autolog_names.wanted()
        self.applied = 0
        """Number of operations attempted, successful or not."""
        self.left_out = 0
        """Number of operations that the installed MLflow does not support (see `capabilities`)."""

    def look_up_runs(self) -> None:
        """Look runs up before creating them: from now on other processes may log the same compiles."""
        self._writer.look_up_runs()

    @property
    def waits(self) -> bool:
        """Whether applied operations have not been sent."""
        return self._traces.waits

    @property
    def unsent_spans(self) -> int:
        """Number of spans that were applied and that MLflow has not accepted. For display."""
        return self._traces.unsent_spans

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since which MLflow accepts nothing; None if it does."""
        return self._writer.attempts.retrier.failing_since

    @property
    def unanswered_since(self) -> float | None:
        """`time.monotonic()` since which a request to the MLflow server has been unanswered for too long, or None."""
        return self._writer.attempts.retrier.unanswered_since

    @property
    def artifacts_failing_since(self) -> float | None:
        """`time.monotonic()` since which an artifact store accepts nothing; None if all do or none is queued."""
        return self._writer.artifacts.failing_since

    @property
    def artifacts_waiting(self) -> int:
        """Number of artifacts not written."""
        return self._writer.artifacts.waiting

    def give_up_artifacts(self) -> None:
        """Leave the queued artifacts to the spool and count them as failed."""
        self._writer.artifacts.give_up()

    @property
    def retries(self) -> int:
        """Number of attempts beyond the first of each operation."""
        return self._writer.attempts.retrier.retries + self._writer.artifacts.retries

    @property
    def done(self) -> int:
        """Number of operations and span batches that MLflow accepted."""
        return self._writer.attempts.done

    @property
    def lost(self) -> int:
        """Number of operations and span batches that MLflow rejected."""
        return self._writer.attempts.lost

    @property
    def failed(self) -> int:
        """Number of operations and span batches that failed and may succeed in a later replay."""
        return self._writer.attempts.failed

    def end_open_runs(self, end_ms: int, reason: str | None = None) -> int:
        """End, as KILLED, the runs that were begun here and are still RUNNING, and those below; return their number.

        The reason, if given, becomes a tag of each. `end_interrupted_traces` ends their traces. Runs of another living
        process are not changed.
        """
        ended = 0
        for run, tags in self._open_runs.interrupted(reason):
            if tags:
                self._batches.batch(run).add(tags=tags)
            self.apply(EndRun(key="killed", run=run, status="KILLED", end_ms=end_ms))
            if REASON_TAG in tags:
                self._writer.runs.killed(run)
            if isinstance(run, CompileRun):
                self.apply(DescribeStopped(key="stopped", run=run))
            ended += 1
        return ended + self._open_runs.end_unknown(end_ms, reason)

    def end_interrupted_traces(self) -> None:
        """End, as ERROR, the traces in progress of the runs that `end_open_runs` ended; call after `send_all`."""
        self._open_runs.end_traces()

    def end_open_trace(self, trace_id: str, reason: str) -> None:
        """End a trace as ERROR, with the reason as a tag, if it is in progress; call after `send_all`."""
        self._open_runs.end_trace(trace_id, reason)

    def apply(self, operation: Operation) -> None:  # noqa: C901, PLR0912 - a branch for each operation that waits
        """Apply one operation; a rejected one is logged and counted, and does not block the next."""
        self._open_runs.end_stale()
        self.applied += 1
        match operation:
            case LogSpan() | LogTrace() | TagTrace() if not capabilities.TRACES:
                self.left_out += 1  # logged by `capabilities.report_missing`
            case LogModel() if not capabilities.MODELS:
                self.left_out += 1
            case LogSpan():
                self._traces.add_span(self._attachments.detached(operation))
            case LogTrace():
                self._traces.add_info(operation)
            case TagTrace():
                self._traces.add_tags(operation)
            case KeepProgram():
                self._programs.keep(operation)
            case ForgetPrograms():
                self._programs.forget(operation)
            case LogParams(run=run, params=params):
                self._batches.batch(run).add(params=params)
            case LogMetrics(run=run, metrics=metrics, tags=tags):
                self._batches.batch(run).add(points=self._named(run, metrics), tags=tags)
            case LogProgram() | LogChanges() | LogModel():
                self._writer.attempts.run(type(operation).__name__, lambda: self._programs.write(operation))
            case LogReport() | DescribeRunning() | DescribeStopped():
                self._reports.apply(operation)
            case EndRun():
                self._apply_end(operation)
            case _:
                self._writer.attempts.run(type(operation).__name__, lambda: self._apply(operation))
        # They overlap with the operations that follow: to a distant server each request takes a round trip.
        self._writer.artifacts.begin()

    def _apply_end(self, operation: EndRun) -> None:
        # A run that has ended has its artifacts, unless their store fails.
        self._writer.artifacts.send()
        if self._batches.send_with(operation.run, lambda name: self._end(operation, name)):
            self._ended(operation.run)
            return
        self._batches.send(operation.run)
        self._writer.attempts.run("a run's end", lambda: self._apply(operation))

    def _apply(self, operation: _AtOnce) -> None:
        store, runs = self._writer.connection.store(), self._writer.runs
        match operation:
            case EnsureRun(run=run):
                if tags := runs.ensure(operation):
                    self._batches.batch(run).add(tags=tags)
            case LogText(run=run, path=path, text=text):
                self._writer.write_artifact(runs.handle(run).artifact_uri, path, text)
            case LogTable():
                self._tables.write(operation)
            case LogEvaluation(run=run, tags=tags):
                run_id = runs.handle(run).run_id
                store.log_run(run_id, {}, [], {**tags, **evaluation_tag(operation)})
                points = evaluation_points(operation, store.run_tags(run_id))
                store.log_run(run_id, {}, self._named(run, points), {})
            case LogDataset(run=run, start_ms=start_ms):
                store.log_dataset(runs.handle(run, start_ms).run_id, operation)
            case LogEvaluationDataset():
                self._datasets.write(operation)
            case EndRun(run=run):
                self._end(operation)
                self._ended(run)
            case _:
                assert_never(operation)

    def _end(self, operation: EndRun, name: str | None = None) -> None:
        run, store = self._writer.runs.handle(operation.run), self._writer.connection.store()
        store.end_run(run.run_id, operation.status, operation.end_ms, name)
        if run.killed:  # its actual end has been recorded after all
            store.remove_run_tag(run.run_id, REASON_TAG)

    def _ended(self, run: RunKey) -> None:
        self._tables.run_ended(run)
        self._writer.runs.ended(run)
        if isinstance(run, TrialRun) and run.parent is not None:
            self._reports.request(run.parent, ended=False)

    def _named(self, run: RunKey, points: Sequence[MetricPoint]) -> Sequence[MetricPoint]:
        return autolog_names.with_autolog_names(run, points) if self._autolog_names else points

    def finish_span(self) -> None:
        """Send the run batches after all operations of a span have been applied, and the traces if a batch is full.

        Where `send_all` follows, the batches are combined with those of later spans: a run's end comes soon after.
        """
        if not self._writer.sends_in_groups:
            self._batches.send_due()
        self._traces.send_full()

    def send_due(self) -> None:
        """Send the traces whose linger time has passed, and the artifacts that are due.

        Artifacts are not waited for while urgent operations are queued, which overlap with them.
        """
        if self._urgent():
            self._writer.artifacts.begin()
        else:
            self._writer.artifacts.send()
        self.finish_span()
        self._traces.send_due()

    def send_all(self) -> None:
        """Send all batches, except artifacts of a failing store: `artifacts_waiting` counts them."""
        self._writer.artifacts.send()
        self._batches.send_all()
        self._traces.send_all()
