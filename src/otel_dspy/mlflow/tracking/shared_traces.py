"""Token usage and cost of traces whose spans several writers send.

MLflow ignores the tokens of a request that arrives after a trace's info, and no writer has received all spans of the
trace. So each writer reads the sums after it has written spans or an end: the last one reads the spans of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.mapping.operations import LogTrace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_dspy.mlflow.tracking.store import Store
    from otel_dspy.mlflow.tracking.store_reader import StoreReader
    from otel_dspy.mlflow.tracking.trace_batches import WrittenTrace

_CHUNK: Final = 20
"""Traces that are read in one request."""
_ROUNDS: Final = 3
"""Maximum number of reads of a trace: after a correction it is read again, as another writer may write too."""


class SharedTraces:
    """Corrects the sums of ended traces in one experiment."""

    def __init__(
        self,
        store: Callable[[], Store],
        reader: Callable[[], StoreReader],
        attempt: Callable[[Callable[[], None]], None],
        send: Callable[[LogTrace, Mapping[str, str]], None],
    ) -> None:
        """Create it.

        Args:
            store: the tracking store.
            reader: reads the same store.
            attempt: calls a function with the retry policy, and counts a failure.
            send: writes a trace's info with more metadata; without a state, that of MLflow stays.
        """
        self._store = store
        self._reader = reader
        self._attempt = attempt
        self._send = send

    def correct(self, written: Sequence[WrittenTrace]) -> None:
        """Correct the sums of those traces that have ended; the others are corrected by the writer of their end."""
        heads: dict[str, LogTrace] = {}
        for trace in written:
            self._attempt(lambda trace=trace: self._add_ended(trace, heads))
        for _ in range(_ROUNDS):
            heads = self._corrected(heads)
            if not heads:
                return

    def _add_ended(self, trace: WrittenTrace, heads: dict[str, LogTrace]) -> None:
        if trace.head is not None and trace.head.state is not None and trace.has_spans:
            heads[trace.trace_id] = trace.head
            return
        found = self._reader().head(trace.trace_id)
        if found is not None and found.state is not None and found.has_spans:
            heads[trace.trace_id] = trace.head or LogTrace(
                key=f"{trace.trace_id}/sums", trace_id=trace.trace_id, run=None, start_ms=found.start_ms
            )

    def _corrected(self, heads: Mapping[str, LogTrace]) -> dict[str, LogTrace]:
        """Return those of the traces whose sums were wrong."""
        wrong: dict[str, LogTrace] = {}
        trace_ids = list(heads)
        for start in range(0, len(trace_ids), _CHUNK):
            sums: dict[str, dict[str, str]] = {}
            chunk = trace_ids[start : start + _CHUNK]
            self._attempt(lambda chunk=chunk, sums=sums: sums.update(self._store().corrected_sums(chunk)))
            for trace_id, metadata in sums.items():
                head = wrong[trace_id] = heads[trace_id]
                self._attempt(lambda head=head, metadata=metadata: self._send(head, metadata))
        return wrong
