"""Stands in for MLflow's store: keeps what is written to it for a trace batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.store.traces.trace_batch import InfoWrite, SpansWrite, encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlflow.entities import Span, TraceInfo


class BatchRecorder:
    """Encoded writes, with the two methods of MLflow's store that `TraceStore` writes infos and spans by."""

    def __init__(self, exists: Callable[[str], bool]) -> None:
        """Create an empty recorder.

        Args:
            exists: returns whether something of a trace, named by its 32 hex digits, was written before.
        """
        self._exists = exists
        self._writes: list[bytes] = []

    def start_trace(self, info: TraceInfo) -> None:
        """Keep a trace info."""
        self._writes.append(encoded(InfoWrite(info, self._exists(info.trace_id.removeprefix("tr-")))))

    def log_spans(self, _experiment_id: str, spans: Sequence[Span]) -> None:
        """Keep spans. All writes are to one experiment, which the request names."""
        self._writes.append(encoded(SpansWrite(spans)))

    @property
    def size(self) -> int:
        """Bytes of the writes."""
        return sum(map(len, self._writes))

    def take(self) -> bytes:
        """Return the writes, and forget them."""
        found, self._writes = b"".join(self._writes), []
        return found
