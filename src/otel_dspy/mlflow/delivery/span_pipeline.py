"""Pipeline of ended spans: decode, join payloads, map, apply. Runs on the worker's thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.mapping import dispatch as mapping
from otel_dspy.mlflow.mapping.compile_aggregator import CompileAggregator
from otel_dspy.mlflow.mapping.context import logs_traces
from otel_dspy.mlflow.mapping.traces.late_start_scores import LateStartScores
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.payload_joiner import PayloadShelf
from otel_dspy.mlflow.records.span_records import PayloadPiece
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.records.route import Destination, Route
    from otel_dspy.mlflow.records.span import SpanRecord
    from otel_dspy.mlflow.tracking.operation_applier import OperationApplier


MAX_OPEN_TRACES: Final = 10_000
"""Maximum number of remembered traces that are not known to have ended."""


class SpanPipeline:
    """Processes spans in order, with one applier for each destination."""

    def __init__(
        self, new_applier: Callable[[Destination], OperationApplier], payloads: PayloadShelf | None = None
    ) -> None:
        """Create a pipeline.

        Args:
            new_applier: creates the applier of a destination, once.
            payloads: joins the pieces of payloads; by default a new one with the limits of own spans.
        """
        self._new_applier = new_applier
        self._look_up_runs = False
        self._appliers: dict[Destination, OperationApplier] = {}
        self._payloads = PayloadShelf() if payloads is None else payloads
        self._aggregator = CompileAggregator()
        self._start_scores = LateStartScores()

        self._open_traces: BoundedDict[tuple[Destination, str], None] = BoundedDict(MAX_OPEN_TRACES)
        """Traces whose root, which this process records, has not ended."""

    def process(self, span: SpanRecord, route: Route) -> None:
        """Log a span to MLflow.

        Raises:
            Stopped: the deadline has passed.
        """
        record = decode.record_of(self._payloads.resolve(span))
        if isinstance(record, PayloadPiece):
            self._payloads.add(record)
            return
        ended = self._aggregator.add(record)
        applier = self.applier(route.destination)
        self._note_trace(record.span, route)
        for operation in mapping.operations(record, route.options, route.context, ended):
            applier.apply(operation)
        for operation in self._start_scores.add(record, route):
            applier.apply(operation)
        applier.finish_span()

    def _note_trace(self, span: SpanRecord, route: Route) -> None:
        context = route.context
        if context.joined or not logs_traces(route.options, context):
            return
        if span.span_id == context.root_id:
            self._open_traces.pop((route.destination, context.trace_id), None)
        else:
            self._open_traces[route.destination, context.trace_id] = None

    def applier(self, destination: Destination) -> OperationApplier:
        """Return the applier of a destination, which is created if it does not exist."""
        applier = self._appliers.get(destination)
        if applier is None:
            applier = self._appliers[destination] = self._new_applier(destination)
            if self._look_up_runs:
                applier.look_up_runs()
        return applier

    def look_up_runs(self) -> None:
        """Look runs up before creating them: from now on other processes may log the same compiles."""
        self._look_up_runs = True
        for applier in tuple(self._appliers.values()):
            applier.look_up_runs()

    def send_due(self) -> None:
        """Send the batches whose linger time has passed."""
        for applier in self._appliers.values():
            applier.send_due()

    def send_all(self) -> None:
        """Send all batches."""
        for applier in self._appliers.values():
            applier.send_all()

    def end_open_runs(self, end_ms: int, reason: str | None = None) -> int:
        """End the open runs as KILLED, with the reason as a tag of each; return their number."""
        return sum(applier.end_open_runs(end_ms, reason) for applier in self._appliers.values())

    def end_interrupted_traces(self) -> None:
        """End, as ERROR, the traces in progress of the runs that `end_open_runs` ended; call after `send_all`."""
        for applier in self._appliers.values():
            applier.end_interrupted_traces()

    def end_open_traces(self, reason: str) -> None:
        """End, as ERROR, the other traces of which spans have arrived and the root has not; call after `send_all`."""
        for destination, trace_id in list(self._open_traces):
            self.applier(destination).end_open_trace(trace_id, reason)
        self._open_traces.clear()

    @property
    def waits(self) -> bool:
        """Whether processed data has not been sent."""
        return any(applier.waits for applier in self._appliers.values())

    @property
    def unsent_spans(self) -> int:
        """Number of processed spans that MLflow has not accepted. For display."""
        return sum(applier.unsent_spans for applier in tuple(self._appliers.values()))

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since which an MLflow server accepts nothing; None if all do."""
        return min(
            (applier.failing_since for applier in tuple(self._appliers.values()) if applier.failing_since is not None),
            default=None,
        )

    @property
    def unanswered_since(self) -> float | None:
        """`time.monotonic()` since which a request has been unanswered for too long; None if none has."""
        since = (applier.unanswered_since for applier in tuple(self._appliers.values()))
        return min((at for at in since if at is not None), default=None)

    @property
    def artifacts_waiting(self) -> int:
        """Number of artifacts not written."""
        return sum(applier.artifacts_waiting for applier in tuple(self._appliers.values()))

    @property
    def artifacts_failing_since(self) -> float | None:
        """`time.monotonic()` since which an artifact store accepts nothing; None if all do or none is queued."""
        since = (applier.artifacts_failing_since for applier in tuple(self._appliers.values()))
        return min((at for at in since if at is not None), default=None)

    def give_up_artifacts(self) -> None:
        """Leave the queued artifacts to the spool and count them as failed."""
        for applier in self._appliers.values():
            applier.give_up_artifacts()

    @property
    def lost(self) -> int:
        """Number of operations that MLflow rejected."""
        return sum(applier.lost for applier in tuple(self._appliers.values()))

    @property
    def failed(self) -> int:
        """Number of operations that failed and may succeed in a later replay."""
        return sum(applier.failed for applier in tuple(self._appliers.values()))

    @property
    def done(self) -> int:
        """Number of operations that MLflow accepted."""
        return sum(applier.done for applier in tuple(self._appliers.values()))

    @property
    def left_out(self) -> int:
        """Number of operations that the installed MLflow does not support."""
        return sum(applier.left_out for applier in tuple(self._appliers.values()))

    @property
    def applied(self) -> int:
        """Number of operations attempted, successful or not."""
        return sum(applier.applied for applier in tuple(self._appliers.values()))

    @property
    def retries(self) -> int:
        """Number of attempts beyond the first of each operation."""
        return sum(applier.retries for applier in tuple(self._appliers.values()))
