"""Token usage, cost and state of traces that several writers send.

MLflow ignores the tokens of a request that arrives after a trace's info, and no writer has received all spans of the
trace. So each writer reads the sums after it has written spans or an end: the last one reads the spans of all. It also
writes an end again that MLflow has lost (see `reverted_end`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from otel_dspy.mlflow.mapping.trace_operations import LogTrace
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_dspy.mlflow.tracking.traces.trace_batches import WrittenTrace
    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy

Value = TypeVar("Value")

_CHUNK: Final = 20
"""Traces that are read in one request."""
_INFOS: Final = 100
"""Infos that are read in one request."""
_ROUNDS: Final = 3
"""Maximum number of reads of a trace: after a correction it is read again, as another writer may write too."""


class SharedTraces:
    """Corrects the sums and the states of ended traces in one experiment."""

    def __init__(self, writer: WriterStrategy, send: Callable[[LogTrace, Mapping[str, str]], None]) -> None:
        """Create the corrections of one experiment.

        Args:
            writer: the experiment.
            send: writes a trace's info with more metadata; without a state, that of MLflow stays.
        """
        self._writer = writer
        self._send = send

    def correct(self, written: Sequence[WrittenTrace], sums: Mapping[str, Mapping[str, str]]) -> None:
        """Correct those traces that have ended; the others are corrected by the writer of their end.

        Args:
            written: the traces.
            sums: the sums that were written with the infos of new traces, by trace id. If MLflow still has them, no
                other writer has corrected the trace without the spans that followed its info.
        """
        confirmed = self._confirmed(
            {trace.trace_id: sums[trace.trace_id] for trace in written if trace.trace_id in sums}
        )
        rest = [trace for trace in written if trace.trace_id not in confirmed]
        found = (self._attempt(lambda trace=trace: self._ended(trace)) for trace in rest)
        infos = {info.trace_id: info for info in found if info is not None}
        for _ in range(_ROUNDS):
            infos = self._corrected(infos)
            if not infos:
                return

    def _confirmed(self, sums: Mapping[str, Mapping[str, str]]) -> set[str]:
        """Return the traces whose info in MLflow has these sums."""
        connection, confirmed, trace_ids = self._writer.connection, set[str](), list(sums)
        for start in range(0, len(trace_ids), _INFOS):
            chunk = {trace_id: sums[trace_id] for trace_id in trace_ids[start : start + _INFOS]}
            found = self._attempt(
                lambda chunk=chunk: connection.store().traces.corrections.confirmed(connection.experiment_id(), chunk)
            )
            confirmed |= found or set()
        return confirmed

    def _ended(self, trace: WrittenTrace) -> LogTrace | None:
        """Return the info of the trace if it has ended and has spans, or its end is lost."""
        if trace.info is not None and trace.info.state is not None and trace.has_spans:
            return trace.info
        found = self._writer.connection.reader().trace_info(trace.trace_id)
        if found is None:
            return None
        ended, lost = found.state is not None and found.has_spans, found.state is None and found.end is not None
        if not (ended or lost):
            return None
        return trace.info or LogTrace(
            key=f"{trace.trace_id}/sums", trace_id=trace.trace_id, run=None, start_ms=found.start_ms
        )

    def _corrected(self, infos: Mapping[str, LogTrace]) -> dict[str, LogTrace]:
        """Return those of the traces that were wrong."""
        wrong: dict[str, LogTrace] = {}
        trace_ids = list(infos)
        for start in range(0, len(trace_ids), _CHUNK):
            chunk = trace_ids[start : start + _CHUNK]
            found = self._attempt(lambda chunk=chunk: self._writer.connection.store().traces.corrections.of(chunk))
            for trace_id, correction in (found or {}).items():
                info = wrong[trace_id] = infos[trace_id]
                if correction.end is not None:
                    info = correction.end.applied_to(info)
                self._attempt(lambda info=info, sums=correction.sums: self._send(info, sums))
        return wrong

    def _attempt(self, attempt: Callable[[], Value]) -> Value | None:
        attempts = self._writer.attempts
        result = attempts.retrier.run("a trace's sums", attempt)
        if result.outcome is not Outcome.DONE:  # mostly reads, which write nothing
            attempts.count(result.outcome)
        return result.value
