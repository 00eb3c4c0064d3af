"""Reads existing runs, artifacts and traces from MLflow, to resume what another process has logged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlflow.entities import TraceState, ViewType
from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.tracking.requests.error_classification import artifact_access
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.mlflow.tracking.store.open_store import open_store
from otel_dspy.mlflow.tracking.store.paging import every_page
from otel_dspy.mlflow.tracking.store.temporary_folder import temporary_folder
from otel_dspy.mlflow.tracking.store.traces.trace_ends import noted_end
from otel_dspy.serialization.json_text import readable_json
from otel_dspy.serialization.json_types import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.mapping.trace_operations import TraceState as State
    from otel_dspy.mlflow.tracking.store.traces.trace_ends import TraceEnd

_MISSING: Final = "RESOURCE_DOES_NOT_EXIST"
_STATES: Final[Mapping[TraceState, State]] = {TraceState.OK: "OK", TraceState.ERROR: "ERROR"}


@dataclass(frozen=True, slots=True)
class FoundRun:
    """An existing run."""

    run_id: str
    artifact_uri: str
    tags: Mapping[str, str]
    running: bool

    @property
    def id(self) -> str:
        """The run's id."""
        return self.run_id


@dataclass(frozen=True, slots=True)
class FoundTraceInfo:
    """An existing trace info.

    Attributes:
        state: the final state; None while in progress, or if another writer has reset it.
        start_ms: milliseconds since the epoch.
        duration_ms: None while in progress.
        name: the trace's name.
        end: the end that takes precedence among those that its writers have recorded.
        has_spans: whether MLflow has spans of the trace.
    """

    state: State | None
    start_ms: int
    duration_ms: int | None
    name: str | None
    end: TraceEnd | None = None
    has_spans: bool = True


class StoreReader:
    """Reads one tracking store. Every method may raise errors of MLflow and its transports."""

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri
        self._store: Any = open_store(tracking_uri)
        self._locations: dict[str, str] = {}

    def runs(self, experiment_id: str, **tags: str) -> list[FoundRun]:
        """Return the experiment's runs with all of these tags; a dot in a tag's name is given as two underscores."""
        wanted = " AND ".join(f"tags.`{name.replace('__', '.')}` = '{value}'" for name, value in tags.items())
        return self._search(experiment_id, wanted)

    def runs_like(self, experiment_id: str, tag: str, pattern: str) -> list[FoundRun]:
        """Return the experiment's runs whose tag has a value like this, and possibly others (`_` is a wildcard too).

        Args:
            experiment_id: the experiment's id.
            tag: the tag's name.
            pattern: the value, with `%` for any characters.
        """
        return self._search(experiment_id, f"tags.`{tag}` LIKE '{pattern}'")

    def _search(self, experiment_id: str, wanted: str) -> list[FoundRun]:
        found = every_page(
            lambda token: self._store.search_runs([experiment_id], wanted, ViewType.ACTIVE_ONLY, 1000, None, token)
        )
        return [
            FoundRun(
                str(run.info.run_id), str(run.info.artifact_uri), dict(run.data.tags), str(run.info.status) == "RUNNING"
            )
            for run in found
        ]

    def artifact_location(self, experiment_id: str) -> str:
        """Return the experiment's artifact location."""
        if experiment_id not in self._locations:
            self._locations[experiment_id] = str(self._store.get_experiment(experiment_id).artifact_location)
        return self._locations[experiment_id]

    def text(self, artifact_uri: str, path: str) -> str | None:
        """Return a text artifact; None if it does not exist.

        Raises:
            ArtifactStoreError: the artifact store cannot be read.
        """
        folder = path.rpartition("/")[0] or None
        if path not in self.artifacts(artifact_uri, folder):
            return None
        with artifact_access(), temporary_folder() as target:
            file = Path(target, "artifact")
            # Defined by every repository. `download_artifacts` calls it on a pool thread, without this thread's
            # workspace and `http_policy`.
            self._artifacts(artifact_uri)._download_file(path, str(file))  # noqa: SLF001 - the repository plugins' interface
            return file.read_text(encoding="utf-8")

    def artifacts(self, artifact_uri: str, folder: str | None = None) -> set[str]:
        """Return the paths of the artifacts in a folder below the URI, by default at its top.

        Raises:
            ArtifactStoreError: the artifact store cannot be read.
        """
        with artifact_access():
            return {str(file.path) for file in self._artifacts(artifact_uri).list_artifacts(folder)}

    def _artifacts(self, artifact_uri: str) -> Any:  # noqa: ANN401 - MLflow's ArtifactRepository, which it types in part
        return capabilities.artifact_repository(artifact_uri, self._uri)

    def trace_info(self, trace_id: str) -> FoundTraceInfo | None:
        """Return the info of a trace, 32 hex digits; None if it does not exist.

        Raises:
            MlflowException: the store did not return it.
        """
        try:
            info = self._store.get_trace_info(f"tr-{trace_id}")
        except MlflowException as error:
            if error.error_code == _MISSING:
                return None
            raise
        duration = info.execution_duration
        return FoundTraceInfo(
            _STATES.get(info.state),
            int(info.request_time),
            int(duration) if duration is not None else None,
            info.tags.get("mlflow.traceName"),
            noted_end(info.trace_metadata),
            "mlflow.trace.spansLocation" in info.tags,
        )

    def spans(self, trace_id: str) -> list[SpanRecord]:
        """Return the spans of a trace as logged, without content kept in artifacts; none if it does not exist.

        Raises:
            MlflowException: the store did not return it.
        """
        try:
            if hasattr(self._store, "get_trace"):
                traces = [self._store.get_trace(f"tr-{trace_id}", allow_partial=True)]
            else:  # MLflow 3.6
                traces = self._store.batch_get_traces([f"tr-{trace_id}"])
        except MlflowException as error:
            if error.error_code == _MISSING:
                return []
            raise
        return [
            SpanRecord(
                trace_id=trace_id,
                span_id=str(span.span_id),
                parent_id=span.parent_id,
                name=str(span.name),
                kind="INTERNAL",
                start_ns=int(span.start_time_ns),
                end_ns=int(span.end_time_ns or span.start_time_ns),
                attributes={name: _as_set(value) for name, value in span.attributes.items()},
                error=str(span.status.status_code.value) == "ERROR",
                message=span.status.description or None,
            )
            for trace in traces
            for span in trace.data.spans
        ]


def _as_set(value: Any) -> Any:  # noqa: ANN401 - MLflow's values
    """Return objects, and arrays that contain others, as JSON text: OpenTelemetry has no such attributes.

    MLflow parses texts. An array of texts or numbers may have been set as such, and remains one.
    """
    if is_object(value) or (is_array(value) and any(is_object(item) or is_array(item) for item in value)):
        return readable_json(value, separators=(",", ":"))
    return value
