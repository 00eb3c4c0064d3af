"""Delivery pipeline for ended spans: decode, join payloads, map, apply. Runs on the worker's thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping import dispatch as mapping
from otel_dspy.mlflow.mapping.compile_ledger import CompileLedger
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.payload import PayloadShelf
from otel_dspy.mlflow.records.span_records import PayloadPiece

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.records.route import Destination, Route
    from otel_dspy.mlflow.records.span_records import SpanRecord
    from otel_dspy.mlflow.tracking.sink import Sink


class Pipeline:
    """Processes spans in order, with one sink for each destination."""

    def __init__(self, new_sink: Callable[[Destination], Sink], payloads: PayloadShelf | None = None) -> None:
        """Create a pipeline.

        Args:
            new_sink: creates the sink of a destination, once.
            payloads: joins the pieces of payloads; by default a new one with the limits of own spans.
        """
        self._new_sink = new_sink
        self._look_up_runs = False
        self._sinks: dict[Destination, Sink] = {}
        self._payloads = PayloadShelf() if payloads is None else payloads
        self._ledger = CompileLedger()

    def process(self, span: SpanRecord, route: Route) -> None:
        """Log a span to MLflow.

        Raises:
            Stopped: the deadline has passed.
        """
        fact = decode.fact(self._payloads.resolve(span))
        if isinstance(fact, PayloadPiece):
            self._payloads.add(fact)
            return
        ended = self._ledger.add(fact)
        sink = self.sink(route.destination)
        for operation in mapping.operations(fact, route.options, route.context, ended):
            sink.apply(operation)
        sink.finish_span()

    def sink(self, destination: Destination) -> Sink:
        """Return the sink of a destination, which is created if it does not exist."""
        sink = self._sinks.get(destination)
        if sink is None:
            sink = self._sinks[destination] = self._new_sink(destination)
            if self._look_up_runs:
                sink.look_up_runs()
        return sink

    def look_up_runs(self) -> None:
        """Look runs up before creating them: from now on other processes may log the same compiles."""
        self._look_up_runs = True
        for sink in tuple(self._sinks.values()):
            sink.look_up_runs()

    def send_due(self) -> None:
        """Send the batches whose linger time has passed."""
        for sink in self._sinks.values():
            sink.send_due()

    def send_all(self) -> None:
        """Send all batches."""
        for sink in self._sinks.values():
            sink.send_all()

    def end_open_runs(self, end_ms: int, reason: str | None = None) -> int:
        """End the open runs as KILLED, with the reason as a tag of each; return their number."""
        return sum(sink.end_open_runs(end_ms, reason) for sink in self._sinks.values())

    def end_interrupted_traces(self) -> None:
        """End, as ERROR, the traces in progress of the runs that `end_open_runs` ended; call after `send_all`."""
        for sink in self._sinks.values():
            sink.end_interrupted_traces()

    @property
    def waits(self) -> bool:
        """Whether processed data has not been sent."""
        return any(sink.waits for sink in self._sinks.values())

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since which an MLflow server accepts nothing; None if all do."""
        return min(
            (sink.failing_since for sink in tuple(self._sinks.values()) if sink.failing_since is not None), default=None
        )

    @property
    def artifacts_waiting(self) -> int:
        """Number of artifacts not written."""
        return sum(sink.artifacts_waiting for sink in tuple(self._sinks.values()))

    @property
    def artifacts_failing_since(self) -> float | None:
        """`time.monotonic()` since which an artifact store accepts nothing; None if all do or none is queued."""
        since = (sink.artifacts_failing_since for sink in tuple(self._sinks.values()))
        return min((at for at in since if at is not None), default=None)

    def give_up_artifacts(self) -> None:
        """Leave the queued artifacts to the spool and count them as failed."""
        for sink in self._sinks.values():
            sink.give_up_artifacts()

    @property
    def lost(self) -> int:
        """Number of operations that MLflow rejected."""
        return sum(sink.lost for sink in tuple(self._sinks.values()))

    @property
    def failed(self) -> int:
        """Number of operations that failed and may succeed in a later replay."""
        return sum(sink.failed for sink in tuple(self._sinks.values()))

    @property
    def done(self) -> int:
        """Number of operations that MLflow accepted."""
        return sum(sink.done for sink in tuple(self._sinks.values()))

    @property
    def left_out(self) -> int:
        """Number of operations that the installed MLflow does not support."""
        return sum(sink.left_out for sink in tuple(self._sinks.values()))

    @property
    def applied(self) -> int:
        """Number of operations attempted, whatever their outcome."""
        return sum(sink.applied for sink in tuple(self._sinks.values()))

    @property
    def retries(self) -> int:
        """Number of attempts beyond the first of each operation."""
        return sum(sink.retries for sink in tuple(self._sinks.values()))
