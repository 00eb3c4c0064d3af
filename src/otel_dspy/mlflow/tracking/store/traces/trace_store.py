"""Traces in MLflow's tracking store: infos with assessments, spans, and traces that no process will end."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from mlflow.store.entities import PagedList
from mlflow.utils import rest_utils
from mlflow.utils import uri as mlflow_uri

from otel_dspy.mlflow.mapping.naming import KILLED_REASON
from otel_dspy.mlflow.tracking.requests.ignored_error import IgnoredError
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.mlflow.tracking.store.paging import every_page
from otel_dspy.mlflow.tracking.store.store_transaction import adding, spans_of
from otel_dspy.mlflow.tracking.store.traces import encoded_attributes, trace_batch
from otel_dspy.mlflow.tracking.store.traces.mlflow_span import mlflow_span
from otel_dspy.mlflow.tracking.store.traces.prices import NO_PRICE
from otel_dspy.mlflow.tracking.store.traces.trace_corrections import TraceCorrections
from otel_dspy.mlflow.tracking.store.traces.unpriced_models import unpriced

if TYPE_CHECKING or (capabilities.MODELS and capabilities.TRACES):
    from otel_dspy.mlflow.tracking.store.traces import trace_entities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mlflow.entities import Span, TraceInfo

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace
    from otel_dspy.mlflow.tracking.store.traces.trace_batch import BatchAnswer

_TAKES_WHOLE_INFOS = ("tried to blank-out primary key", "assessments.trace_id")
"""Errors of MLflow 3.6 and 3.10 for a trace info without a tag, metadata or an assessment that the trace has."""
_SPANS_LOCATION = "mlflow.trace.spansLocation"
"""Tag of a trace that has spans."""


class TraceStore:
    """Traces of one tracking store. Every method may raise errors of MLflow and its transports."""

    def __init__(self, store: Any) -> None:  # noqa: ANN401 - MLflow's AbstractStore, which it types in part
        self._store = store
        self.corrections = TraceCorrections(store)
        """What MLflow has wrong of them."""

    def start_trace(
        self, experiment_id: str, trace: LogTrace, run_id: str | None, metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Log a trace's info with its assessments, merged into the existing one; state and times are overwritten.

        Args:
            experiment_id: the experiment's id.
            trace: state, times, tags, metadata and assessments.
            run_id: the run that the trace belongs to, if any.
            metadata: more metadata.

        Returns:
            Whether the store has no spans of the trace, according to its answer.
        """
        return self.write_info(trace_entities.trace_info(experiment_id, trace, run_id, metadata or {}))

    def write_info(self, info: TraceInfo) -> bool:
        """Log a trace's info as `start_trace` does.

        Args:
            info: MLflow's entity.

        Returns:
            Whether the store has no spans of the trace, according to its answer.
        """
        try:
            with adding(self._store):
                answer = self._store.start_trace(info)
        except Exception as error:
            if not any(text in str(error) for text in _TAKES_WHOLE_INFOS):
                raise
            self._store.start_trace(trace_entities.whole(info, self._store.get_trace_info(info.trace_id)))
            return False
        if info.state != "IN_PROGRESS" and KILLED_REASON in getattr(answer, "tags", {}):
            self._remove_tag(info.trace_id, KILLED_REASON)  # its actual end has been recorded after all
        return _SPANS_LOCATION not in getattr(answer, "tags", {_SPANS_LOCATION: ""})

    def _remove_tag(self, trace_id: str, name: str) -> None:
        with IgnoredError("RESOURCE_DOES_NOT_EXIST"):
            self._store.delete_trace_tag(trace_id, name)

    def set_tags(self, trace_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of an existing trace, in a request each."""
        for name, value in tags.items():
            self._store.set_trace_tag(f"tr-{trace_id}", name, value)

    def log_spans(self, experiment_id: str, spans: Iterable[LogSpan]) -> None:
        """Log spans of one or several traces in one request."""
        logged = list(spans)
        models = {span.unpriced_model for span in logged if span.unpriced_model is not None}
        try:
            with unpriced(models | {model + NO_PRICE for model in models}):
                encoded_attributes.install()
                self.write_spans(experiment_id, [mlflow_span(span) for span in logged])
        except NotImplementedError:
            # MLflow requests the server's version once, and caches a failure forever.
            version: Any = getattr(self._store, "_get_server_version", None)
            if hasattr(version, "cache_clear"):
                version.cache_clear()
            # In a missing workspace the version request fails too; this request returns the reason.
            self._store.get_experiment(experiment_id)
            raise

    def write_spans(self, experiment_id: str, spans: Sequence[Span]) -> None:
        """Log spans as `log_spans` does.

        Args:
            experiment_id: the experiment's id.
            spans: MLflow's entities, of one or several traces.
        """
        with spans_of(self._store, {span.trace_id for span in spans}):
            self._store.log_spans(experiment_id, list(spans))

    def send_batch(self, experiment_id: str, body: bytes, writes: int) -> BatchAnswer | None:
        """Send a trace batch to the server.

        Args:
            experiment_id: the experiment's id.
            body: encoded writes.
            writes: their number.

        Returns:
            What was written; None if the server takes no batches.
        """
        headers = {"Content-Type": trace_batch.MEDIA_TYPE, trace_batch.EXPERIMENT_HEADER: experiment_id}
        response: Any = cast("Any", rest_utils).http_request(
            host_creds=self._store.get_host_creds(),
            endpoint=trace_batch.PATH,
            method="POST",
            data=body,
            extra_headers=headers,
        )
        return trace_batch.answer(response.content, writes) if response.status_code == HTTPStatus.OK else None

    def trace_artifact_uri(self, experiment_id: str, trace_id: str) -> str:
        """Return the artifact URI that MLflow's stores give a trace.

        Source: `_get_trace_artifact_location_tag` of MLflow 3.17 (store/tracking/sqlalchemy_store.py).

        Args:
            experiment_id: the experiment's id.
            trace_id: 32 hex digits.
        """
        location = self._store.get_experiment(experiment_id).artifact_location
        append = cast("Callable[..., str]", cast("Any", mlflow_uri).append_to_uri_path)
        return append(location, "traces", f"tr-{trace_id}", "artifacts")

    def end_open_traces(self, experiment_ids: Sequence[str], run_id: str, tags: Mapping[str, str]) -> None:
        """End the run's IN_PROGRESS traces with an error and without a duration, which is unknown.

        Args:
            experiment_ids: the experiments' ids.
            run_id: the run's id.
            tags: tags to set on each trace.
        """
        if not capabilities.TRACES:
            return
        wanted = f"metadata.`mlflow.sourceRun` = '{run_id}' AND attributes.status = 'IN_PROGRESS'"
        pages = every_page(
            lambda token: PagedList(*self._store.search_traces(list(experiment_ids), wanted, page_token=token))
        )
        # All pages first: a trace that has ended is not found again, which would move the next page.
        for trace in list(pages):
            self._end(trace, tags)

    def end_open_trace(self, trace_id: str, tags: Mapping[str, str]) -> None:
        """End a trace as `end_open_traces` does, if it is IN_PROGRESS; no-op if it does not exist.

        Args:
            trace_id: 32 hex digits.
            tags: tags to set on it.
        """
        with IgnoredError("RESOURCE_DOES_NOT_EXIST"):
            trace = self._store.get_trace_info(f"tr-{trace_id}")
            if trace.state == "IN_PROGRESS":
                self._end(trace, tags)

    def _end(self, trace: TraceInfo, tags: Mapping[str, str]) -> None:
        trace_id = trace.trace_id.removeprefix("tr-")
        sums = self.corrections.sums([trace_id]).get(trace_id, {})
        self._store.start_trace(trace_entities.interrupted(trace, tags, sums))

    def runs_with_open_traces(self, experiment_ids: Sequence[str]) -> list[str]:
        """Return the ids of the runs of the experiments' IN_PROGRESS traces, each once."""
        if not capabilities.TRACES:
            return []
        wanted = "attributes.status = 'IN_PROGRESS'"
        found = every_page(
            lambda token: PagedList(*self._store.search_traces(list(experiment_ids), wanted, page_token=token))
        )
        runs = (trace.trace_metadata.get("mlflow.sourceRun") for trace in found)
        return list(dict.fromkeys(run for run in runs if run is not None))
