"""The bridge's processing of a request without MLflow, in process: parse, route, map to operations."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.bridge.foreign_spans import ProgramTraces
from otel_dspy.bridge.pending_request import PendingRequest
from otel_dspy.mlflow.delivery.span_pipeline import SpanPipeline
from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.records.payload_joiner import MAX_FOREIGN_TEXT, PayloadShelf
from otel_dspy.mlflow.tracking.store.traces.mlflow_span import mlflow_span
from otel_dspy.otlp_requests.protobuf_spans import MalformedError, TooLargeError
from otel_dspy.otlp_requests.span_route import is_ours

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import Operation
    from tests.chaos.fuzzing.mutations import Case


class Counting:
    """In a applier's place: counts the operations on MLflow."""

    def __init__(self) -> None:
        self.applied = 0

    def apply(self, operation: Operation) -> None:
        """Count one. A span is made MLflow's, as it is before it is sent."""
        self.applied += 1
        if isinstance(operation, LogSpan):
            mlflow_span(operation)

    def finish_span(self) -> None:
        """Nothing waits here."""


class Target:
    """A bridge's parsing and routing, with the memory that it keeps from request to request."""

    def __init__(self) -> None:
        self._experiments = ExperimentRouter("http://mlflow.test", by_service=True)
        self._traces = ProgramTraces()
        self._payloads = PayloadShelf(max_text=MAX_FOREIGN_TEXT)
        self._pipeline = SpanPipeline(lambda _destination: cast("Any", Counting()), self._payloads)
        """The bridge's pipeline with MLflow left out."""
        self.verdicts: Counter[str] = Counter()
        self.spans = 0
        self.kept = 0

    def examine(self, case: Case) -> None:
        """Take a request as the bridge does.

        Raises:
            AssertionError: a good span was not read, or was not in the second reading what it was in the first.
            Exception: whatever the bridge did not expect.
        """
        request = PendingRequest(
            case.body, json=case.json, experiment=None, workspace=None, experiments=self._experiments
        )
        try:
            refused = request.check()
        except MalformedError:
            assert not case.kept, "a request with good spans is malformed"
            self.verdicts["malformed"] += 1
            return
        except TooLargeError:
            self.verdicts["too large"] += 1
            return
        placed = list(request)
        assert len(placed) == len(request)
        missing = case.kept - {(span.trace_id, span.span_id) for span, _ in placed}
        assert not missing, f"good spans are refused: {missing}, {refused}"
        for given in placed:
            self._payloads.lacks(given[0])
            for span, route in self._traces.ours(given) if is_ours(given[0]) else self._traces.foreign(given):
                self._pipeline.process(span, route)
        self.verdicts["partly taken" if refused else "taken"] += 1
        self.spans += len(placed)
        self.kept += len(case.kept)
