"""What MLflow has wrong of traces: sums that differ from those of the spans, lost ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.tracking.store.traces.trace_ends import reverted_end
from otel_dspy.mlflow.tracking.store.traces.trace_sums import corrected_sums, has_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_dspy.mlflow.tracking.store.traces.trace_ends import TraceEnd

_UNREADABLE = ("RESOURCE_DOES_NOT_EXIST", "NOT_IMPLEMENTED")
"""Error codes of a trace that does not exist, or that the server cannot return."""
_WITHOUT_SPANS = "Trace data not stored in tracking store"
"""Error of MLflow 3.17 (store/tracking/sqlalchemy_store.py, `get_trace`) for a trace that has no spans."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What MLflow has wrong of a trace.

    Attributes:
        sums: token usage and cost as metadata, where MLflow's sums differ from those of the spans.
        end: the recorded end, if the trace has another state.
    """

    sums: Mapping[str, str]
    end: TraceEnd | None


class TraceCorrections:
    """Compares traces of one tracking store. Every method may raise errors of MLflow and its transports."""

    def __init__(self, store: Any) -> None:  # noqa: ANN401 - MLflow's AbstractStore, which it types in part
        self._store = store

    def confirmed(self, experiment_id: str, sums: Mapping[str, Mapping[str, str]]) -> set[str]:
        """Return those traces whose sums, and whose end, are the written ones, by their infos alone.

        Args:
            experiment_id: the experiment's id.
            sums: token usage and cost as metadata, by trace id, 32 hex digits.

        Returns:
            Their ids. A trace that does not exist, or whose info the server cannot return, is left out.

        Raises:
            MlflowException: the store did not return them.
        """
        wanted = ", ".join(f"'tr-{trace_id}'" for trace_id in sums)
        try:
            # MLflow's `batch_get_trace_infos` reads each trace on its own (3.17), which takes nine times as long.
            infos, _ = self._store.search_traces(
                [experiment_id], f"attributes.request_id IN ({wanted})", max_results=len(sums)
            )
        except MlflowException as error:
            if error.error_code not in (*_UNREADABLE, "INVALID_PARAMETER_VALUE"):  # it knows no such filter
                raise
            return set()
        found = {str(info.trace_id).removeprefix("tr-"): info for info in infos}
        return {
            trace_id
            for trace_id, info in found.items()
            if has_sums(info.trace_metadata, sums[trace_id]) and reverted_end(info.trace_metadata, info.state) is None
        }

    def of(self, trace_ids: Sequence[str]) -> dict[str, Correction]:
        """Return what MLflow has wrong of traces, by trace id, without those that are right.

        Args:
            trace_ids: 32 hex digits each. A trace that does not exist, or that the server cannot return, is left out.
        """
        found: dict[str, Correction] = {}
        for trace in self._traces([f"tr-{trace_id}" for trace_id in trace_ids]):
            metadata = trace.info.trace_metadata
            sums, end = corrected_sums(metadata, trace.data.spans), reverted_end(metadata, trace.info.state)
            if sums or end is not None:
                found[str(trace.info.trace_id).removeprefix("tr-")] = Correction(sums, end)
        return found

    def sums(self, trace_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return token usage and cost of traces as metadata where MLflow's sums differ from those of their spans.

        Args:
            trace_ids: 32 hex digits each. A trace that does not exist, or that the server cannot return, is left out.
        """
        found = self.of(trace_ids)
        return {trace_id: dict(correction.sums) for trace_id, correction in found.items() if correction.sums}

    def _traces(self, trace_ids: Sequence[str]) -> list[Any]:
        """Return traces with the spans that MLflow has of them."""
        if not hasattr(self._store, "get_trace"):  # MLflow 3.6
            return self._readable(lambda: self._store.batch_get_traces(list(trace_ids)))
        found: list[Any] = []
        if len(trace_ids) > 1:
            # Without those that lack spans according to MLflow.
            found = self._readable(lambda: self._store.batch_get_traces(list(trace_ids)))
        there = {trace.info.trace_id for trace in found}
        for trace_id in trace_ids:
            if trace_id not in there:
                found += self._readable(lambda trace_id=trace_id: [self._store.get_trace(trace_id, allow_partial=True)])
        return found

    @staticmethod
    def _readable(read: Callable[[], list[Any]]) -> list[Any]:
        try:
            return read()
        except NotImplementedError:
            return []
        except MlflowException as error:
            if error.error_code in _UNREADABLE or _WITHOUT_SPANS in str(error):
                return []
            raise
