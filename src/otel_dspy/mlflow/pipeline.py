"""Ended spans to MLflow: decode, join payloads, map, apply. Runs on the worker's thread only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from otel_dspy.mlflow import decode, mapping
from otel_dspy.mlflow.payload import PayloadShelf
from otel_dspy.mlflow.records import CompileRecord, PayloadPiece, TrialRecord
from otel_dspy.mlflow.sink import Sink

if TYPE_CHECKING:
    from threading import Event

    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.destination import Destination
    from otel_dspy.mlflow.routing import Route


class Pipeline:
    """One order of spans, a sink for each destination."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._sinks: dict[Destination, Sink] = {}
        self._payloads = PayloadShelf()
        self._trials: dict[str, dict[int, TrialRecord]] = {}

    def process(self, span: ReadableSpan, route: Route) -> None:
        """Tell MLflow what the span tells.

        Raises:
            ValueError: the span has not ended.
        """
        fact = decode.fact(self._payloads.resolve(decode.span_record(span)))
        if isinstance(fact, PayloadPiece):
            self._payloads.add(fact)
            return
        trials: list[TrialRecord] = []
        if isinstance(fact, TrialRecord):
            # The summary needs what a trial tells, not its state.
            light = replace(fact, program_state=None, span=replace(fact.span, attributes={}))
            self._trials.setdefault(fact.compile_id, {})[fact.index] = light
        elif isinstance(fact, CompileRecord):
            found = self._trials.pop(fact.identity.compile_id, {})
            trials = [found[index] for index in sorted(found)]
        sink = self._sinks.get(route.destination)
        if sink is None:
            sink = self._sinks[route.destination] = Sink(route.destination, self._stop)
        for operation in mapping.operations(fact, route.options, route.context, trials):
            sink.apply(operation)

    def send_due(self) -> None:
        """Send what has waited long enough."""
        for sink in self._sinks.values():
            sink.send_due()

    def send_all(self) -> None:
        """Send everything that waits."""
        for sink in self._sinks.values():
            sink.send_traces()

    @property
    def lost(self) -> int:
        """Operations that MLflow did not take."""
        return sum(sink.lost for sink in self._sinks.values())
