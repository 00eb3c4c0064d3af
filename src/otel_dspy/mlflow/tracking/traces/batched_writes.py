"""Keeps what is written of traces for a trace batch, instead of sending it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.store.traces import trace_entities
from otel_dspy.mlflow.tracking.store.traces.mlflow_span import mlflow_span
from otel_dspy.mlflow.tracking.store.traces.trace_batch import InfoWrite, SpansWrite, encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace


class BatchedWrites:
    """Encoded writes to one experiment, with the two methods of `TraceStore` by which infos and spans are written."""

    def __init__(self, exists: Callable[[str], bool]) -> None:
        """Create an empty batch.

        Args:
            exists: returns whether something of a trace, named by its 32 hex digits, was written before.
        """
        self._exists = exists
        self._writes: list[bytes] = []
        self.size = 0
        """Bytes of the writes."""

    def start_trace(
        self, experiment_id: str, trace: LogTrace, run_id: str | None, metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Keep a trace's info; as in a transaction, nothing is known of what the store has of the trace.

        Args:
            experiment_id: the experiment's id.
            trace: state, times, tags, metadata and assessments.
            run_id: the run that the trace belongs to, if any.
            metadata: more metadata.

        Returns:
            False.
        """
        info = trace_entities.trace_info(experiment_id, trace, run_id, metadata or {})
        self._add(encoded(InfoWrite(info, self._exists(trace.trace_id))))
        return False

    def log_spans(self, _experiment_id: str, spans: Iterable[LogSpan]) -> None:
        """Keep spans of one or several traces, which have one resource."""
        logged = list(spans)
        self._add(encoded(SpansWrite(list(map(mlflow_span, logged)), logged[0].span.resource)))

    def _add(self, write: bytes) -> None:
        self._writes.append(write)
        self.size += len(write)

    def take(self) -> bytes:
        """Return the writes, and forget them."""
        found = b"".join(self._writes)
        self._writes, self.size = [], 0
        return found
