"""Ended spans to MLflow: decode, join payloads, map, apply. Runs on the worker's thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping import dispatch as mapping
from otel_dspy.mlflow.mapping.compile_ledger import CompileLedger
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.payload import PayloadShelf
from otel_dspy.mlflow.records.span_records import PayloadPiece
from otel_dspy.mlflow.tracking.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from otel_dspy.mlflow.records.route import Destination, Route
    from otel_dspy.mlflow.records.span_records import SpanRecord


class Pipeline:
    """One order of spans, a sink for each destination."""

    def __init__(
        self,
        stop: Event,
        *,
        look_first: bool = False,
        own: bool = False,
        urgent: Callable[[], bool] = lambda: False,
    ) -> None:
        """Create it.

        Args:
            stop: set when there is no time left; what is being told then raises `attempts.Stopped`.
            look_first: other processes may have told of the same compiles (a replay, a forked child).
            own: the spans are this process' own.
            urgent: whether spans wait that should be processed before more traces are sent.
        """
        self._stop = stop
        self._look_first = look_first
        self._own = own
        self._urgent = urgent
        self._sinks: dict[Destination, Sink] = {}
        self._payloads = PayloadShelf()
        self._ledger = CompileLedger()

    def process(self, span: SpanRecord, route: Route) -> None:
        """Tell MLflow what the span tells.

        Raises:
            Stopped: no time left.
        """
        fact = decode.fact(self._payloads.resolve(span))
        if isinstance(fact, PayloadPiece):
            self._payloads.add(fact)
            return
        ended = self._ledger.add(fact)
        sink = self._sinks.get(route.destination)
        if sink is None:
            sink = self._sinks[route.destination] = self._new_sink(route.destination)
        for operation in mapping.operations(fact, route.options, route.context, ended):
            sink.apply(operation)
        sink.settle()

    def _new_sink(self, destination: Destination) -> Sink:
        return Sink(destination, self._stop, look_first=self._look_first, own=self._own, urgent=self._urgent)

    def look_first(self) -> None:
        """From now on other processes may tell of the same compiles."""
        self._look_first = True
        for sink in tuple(self._sinks.values()):
            sink.look_first()

    def send_due(self) -> None:
        """Send what has waited long enough."""
        for sink in self._sinks.values():
            sink.send_due()

    def send_all(self) -> None:
        """Send everything that waits."""
        for sink in self._sinks.values():
            sink.send_all()

    def end_open_runs(self, end_ms: int, reason: str | None = None) -> int:
        """End, as KILLED, the runs that were begun and not ended; how many. The reason becomes a tag of each."""
        return sum(sink.end_open_runs(end_ms, reason) for sink in self._sinks.values())

    def end_cut_off_traces(self) -> None:
        """End, as ERROR, the traces in progress of the runs that `end_open_runs` has ended; after `send_all`."""
        for sink in self._sinks.values():
            sink.end_cut_off_traces()

    @property
    def waits(self) -> bool:
        """Whether something processed has not been sent yet."""
        return any(sink.waits for sink in self._sinks.values())

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since when an MLflow takes nothing; None while all do."""
        return min(
            (sink.failing_since for sink in tuple(self._sinks.values()) if sink.failing_since is not None), default=None
        )

    @property
    def artifacts_waiting(self) -> int:
        """Artifacts that are not written yet."""
        return sum(sink.artifacts_waiting for sink in tuple(self._sinks.values()))

    @property
    def artifacts_failing_since(self) -> float | None:
        """`time.monotonic()` since when an artifact store takes nothing; None while all do or nothing waits."""
        since = (sink.artifacts_failing_since for sink in tuple(self._sinks.values()))
        return min((at for at in since if at is not None), default=None)

    def give_up_artifacts(self) -> None:
        """Leave the artifacts that wait to the spool: they count as failed."""
        for sink in self._sinks.values():
            sink.give_up_artifacts()

    @property
    def lost(self) -> int:
        """Operations that MLflow refused."""
        return sum(sink.lost for sink in tuple(self._sinks.values()))

    @property
    def failed(self) -> int:
        """Operations that MLflow failed at, and may take another day."""
        return sum(sink.failed for sink in tuple(self._sinks.values()))

    @property
    def done(self) -> int:
        """Operations that MLflow took."""
        return sum(sink.done for sink in tuple(self._sinks.values()))

    @property
    def left_out(self) -> int:
        """Operations that the installed MLflow has nothing for."""
        return sum(sink.left_out for sink in tuple(self._sinks.values()))

    @property
    def applied(self) -> int:
        """Operations that MLflow was told, whatever became of them."""
        return sum(sink.applied for sink in tuple(self._sinks.values()))

    @property
    def retries(self) -> int:
        """Tries of an operation beyond its first."""
        return sum(sink.retries for sink in tuple(self._sinks.values()))
