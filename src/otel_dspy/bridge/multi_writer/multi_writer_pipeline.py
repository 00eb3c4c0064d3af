"""Delivery pipeline of one of several writers; spans may arrive in any order, at any writer, and across restarts.

The end of a compile needs its trials, and a trial its programs, which another writer may have received. A compile that
has ended is therefore completed from the data in MLflow, and again for each span of it that arrives later.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from otel_dspy import semconv as sc
from otel_dspy.bridge.multi_writer import payload_piece_store
from otel_dspy.bridge.multi_writer.compile_completion import complete
from otel_dspy.bridge.multi_writer.concurrent_writer import ConcurrentWriter
from otel_dspy.bridge.multi_writer.experiment_files import ExperimentFiles
from otel_dspy.mlflow.delivery.span_pipeline import SpanPipeline
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.payload_joiner import MAX_FOREIGN_TEXT, PayloadShelf
from otel_dspy.mlflow.records.span_records import CompileRecord, PayloadPiece, PhaseRecord, SetupRecord, TrialRecord
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.runs.run_reports import RunReports

if TYPE_CHECKING:
    from threading import Event

    from otel_dspy.mlflow.records.route import Destination, Route
    from otel_dspy.mlflow.records.span import SpanRecord


REPORTS_WAIT: Final = 60.0
"""Maximum seconds that reports on optimizations wait for requests: both compute in Python, one at a time."""


class MultiWriterPipeline:
    """Pipeline whose writers look up in MLflow what this process has not received."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._reports = RunReports()
        self._reports_started = time.monotonic()
        self._writers: dict[Destination, ConcurrentWriter] = {}
        self._payloads = PayloadShelf(max_text=MAX_FOREIGN_TEXT)
        self._pipeline = SpanPipeline(self._new_applier, self._payloads)
        self._touched: dict[tuple[Destination, str], str] = {}
        """Compiles that received spans since `send_all`, each with its trace id."""

    def _new_applier(self, destination: Destination) -> OperationApplier:
        writer = self._writers[destination] = ConcurrentWriter(destination, self._stop)
        return OperationApplier(writer, reports=self._reports)

    def _writer(self, destination: Destination) -> ConcurrentWriter:
        self._pipeline.applier(destination)
        return self._writers[destination]

    def retry_denied(self) -> None:
        """Retry operations that MLflow rejected, now that there are new deliveries."""
        for writer in self._writers.values():
            writer.retry_denied()

    def failures(self) -> dict[Destination, int]:
        """Return the number of failed operations by destination."""
        return {destination: writer.attempts.failed for destination, writer in self._writers.items()}

    def losses(self) -> dict[Destination, int]:
        """Return the number of rejected operations by destination."""
        return {destination: writer.attempts.lost for destination, writer in self._writers.items()}

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since which an MLflow server accepts nothing; None if all do."""
        return self._pipeline.failing_since

    @property
    def applied(self) -> int:
        """Number of operations attempted, successful or not."""
        return self._pipeline.applied

    @property
    def retries(self) -> int:
        """Number of attempts beyond the first of each operation."""
        return self._pipeline.retries

    @property
    def lost(self) -> int:
        """Number of operations that MLflow rejected."""
        return self._pipeline.lost

    @property
    def failed(self) -> int:
        """Number of operations that failed and may succeed in a later delivery."""
        return self._pipeline.failed

    def process(self, span: SpanRecord, route: Route) -> None:
        """Log a span to MLflow.

        Raises:
            Stopped: the deadline has passed.
        """
        record = decode.record_of(span)
        files = ExperimentFiles(self._writer(route.destination))
        if isinstance(record, PayloadPiece):
            waited = payload_piece_store.keep_piece(files, record, route)
            self._pipeline.process(span, route)
            if waited is not None:
                # The span was written without this text when it arrived.
                self.process(*waited)
            return
        if self._payloads.lacks(span):
            self._complete(files, span, route)
        self._pipeline.process(span, route)
        compile_id = span.attributes.get(sc.DSPY_COMPILE_ID)
        if isinstance(record, SetupRecord | TrialRecord | CompileRecord | PhaseRecord) and isinstance(compile_id, str):
            self._touched[route.destination, compile_id] = span.trace_id

    def _complete(self, files: ExperimentFiles, span: SpanRecord, route: Route) -> None:
        """Process the pieces of the span's payloads that other writers have stored; store the span if some lack."""
        for attribute in self._payloads.lacks(span):
            self._fetch(files, span, attribute, route)
        for attribute in self._payloads.lacks(span):
            payload_piece_store.keep_span(files, span, attribute, route)
            # Another writer may have stored the last piece before the span was stored.
            self._fetch(files, span, attribute, route)

    def _fetch(self, files: ExperimentFiles, span: SpanRecord, attribute: str, route: Route) -> None:
        for piece in payload_piece_store.pieces(files, span, attribute, route):
            self._pipeline.process(piece, route)

    def wait_for_reports(self, timeout: float) -> None:
        """Wait for the reports in progress, for at most ten of these seconds: the process ends.

        Those that are not written then are logged.
        """
        self._reports.wait(timeout, exits=True)

    def send_all(self, *, busy: bool = False) -> None:
        """Send all batches, complete the ended compiles that received spans, and start the reports on them.

        Args:
            busy: whether more spans are expected, for which reports wait up to `REPORTS_WAIT`.
        """
        self._pipeline.send_all()
        touched, self._touched = self._touched, {}
        for (destination, compile_id), trace_id in touched.items():
            writer = self._writer(destination)
            if writer.ended(compile_id):
                complete(self._pipeline.applier(destination), writer, compile_id, trace_id)
                writer.delete_claims(compile_id)
        if self.failing_since is None and not (busy and time.monotonic() - self._reports_started < REPORTS_WAIT):
            self._reports_started = time.monotonic()
            self._reports.start()
