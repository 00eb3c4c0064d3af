"""Replays spool files into MLflow. Idempotent."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.mlflow.delivery import spool_folder, spool_line
from otel_dspy.mlflow.delivery.span_pipeline import SpanPipeline
from otel_dspy.mlflow.records.route import Destination, Experiment, Route
from otel_dspy.mlflow.spool_replay.file_result import FileResult
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.requests import http_policy
from otel_dspy.mlflow.tracking.requests.retry import Stopped
from otel_dspy.mlflow.tracking.runs.run_reports import RunReports
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter
from otel_dspy.mlflow.tracking_uri import without_passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_logger = logging.getLogger(__name__)

MAX_OUTAGE: Final = 30.0
"""Seconds of an MLflow outage after which a replay stops; the files are kept."""
POLL: Final = 0.2


class Replay:
    """Writes spool files to MLflow."""

    def __init__(
        self,
        *,
        tracking_uri: str | None = None,
        experiment: str | None = None,
        workspace: str | None = None,
        max_outage: float = MAX_OUTAGE,
        reports: bool = True,
    ) -> None:
        """Create a replay.

        Args:
            tracking_uri: tracking URI to use instead of the recorded one.
            experiment: name of the experiment to use instead of the recorded one.
            workspace: name of the MLflow workspace to use instead of the recorded one; `""` for none.
            max_outage: seconds of an outage after which to stop.
            reports: whether to write the reports on optimizations to their runs.
        """
        self._tracking_uri = tracking_uri
        self._experiment = experiment
        self._workspace = workspace
        self._max_outage = max_outage
        self._stop = threading.Event()
        # The process that wrote the file, or an earlier replay, may have created the runs.
        self._reports = RunReports() if reports else None
        self._pipeline = SpanPipeline(self._new_applier)
        self._last_ms = 0
        self.unwritten_reports: list[str] = []
        """Ids of the runs whose reports were not ready in time."""

    def _new_applier(self, destination: Destination) -> OperationApplier:
        return OperationApplier(ExclusiveWriter(destination, self._stop, look_up_runs=True), reports=self._reports)

    def run(self, paths: Iterable[Path], report: Callable[[FileResult], None]) -> int:
        """Write the files; `report` is called with the result of each.

        Returns:
            The number of runs that were ended as KILLED because the files do not contain their end.
        """
        done = threading.Event()
        threading.Thread(target=self._watch, args=(done,), daemon=True).start()
        try:
            with http_policy.first_answer_soon():
                for path in paths:
                    result = FileResult(path)
                    self._file(result)
                    report(result)
            if self._stop.is_set():
                return 0
            ended = self._pipeline.end_open_runs(self._last_ms)
            self._pipeline.end_interrupted_traces()
            if self._reports is not None and not self._pipeline.artifacts_waiting:
                self._reports.start()
                self._reports.wait(self._max_outage)
                self.unwritten_reports = self._reports.pending
        except Stopped:
            return 0
        else:
            return ended
        finally:
            done.set()

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(POLL):
            since = self._pipeline.failing_since
            if since is not None and time.monotonic() - since >= self._max_outage:
                self._stop.set()

    def _file(self, result: FileResult) -> None:
        pipeline = self._pipeline
        rejected, failed, done, left_out = pipeline.lost, pipeline.failed, pipeline.done, pipeline.left_out
        try:
            with spool_folder.claimed(result.path) as file:
                if file is None:
                    result.trouble = spool_folder.CLAIMED
                    return
                for number, line in enumerate(file, 1):
                    self._line(result, number, line)
                pipeline.send_all()
                self._await_artifacts()
        except OSError as error:
            result.trouble = f"the file cannot be read: {error.strerror or error}"
        except Stopped:
            result.outage = f"MLflow has been unavailable for {self._max_outage:.0f} s"
        else:
            if pipeline.lost > rejected:
                result.trouble = (
                    f"MLflow rejected {counted(pipeline.lost - rejected, 'operation')}, see the warnings above"
                )
            elif pipeline.failed > failed:
                operations = counted(pipeline.failed - failed, "operation")
                result.trouble = f"{operations} on MLflow failed; replay the file again later"
            elif pipeline.left_out > left_out and pipeline.done == done:
                result.trouble = (
                    "nothing was written: the installed MLflow does not support its operations; upgrade MLflow"
                )
        if result.reason is not None and pipeline.done == done:
            result.spans = 0

    def _await_artifacts(self) -> None:
        """Wait for the artifacts; those of a store that fails for too long count as failed."""
        while self._pipeline.artifacts_waiting:
            since = self._pipeline.artifacts_failing_since
            if since is not None and time.monotonic() - since >= self._max_outage:
                self._pipeline.give_up_artifacts()
                return
            self._stop.wait(POLL)
            self._pipeline.send_all()

    def _line(self, result: FileResult, number: int, line: bytes) -> None:
        result.ended = False
        if not line.strip():
            return
        try:
            found = spool_line.parse_line(line)
        except spool_line.DamagedLineError as error:
            if line.endswith(b"\n") or not (result.spans or spool_folder.spool_name(result.path)):
                result.damaged.append((number, str(error)))
            # Else the process was killed while writing it, which `ended` shows.
            return
        if found is None:
            result.ended = True
            return
        span, route = found
        self._last_ms = max(self._last_ms, span.end_ms)
        try:
            self._pipeline.process(span, self._redirected(route))
        except Exception as error:
            _logger.debug("a line could not be processed", exc_info=True)
            result.damaged.append((number, without_passwords(f"{type(error).__name__}: {error}")))
        else:
            result.spans += 1

    def _redirected(self, route: Route) -> Route:
        if self._tracking_uri is None and self._experiment is None and self._workspace is None:
            return route
        named = route.destination
        where = Destination(
            self._tracking_uri or named.tracking_uri,
            Experiment(name=self._experiment) if self._experiment else named.experiment,
            named.workspace if self._workspace is None else self._workspace,
        )
        # The user's open run belongs to another destination.
        return Route(where, replace(route.context, user_run=None), route.options)
