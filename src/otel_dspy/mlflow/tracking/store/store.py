"""Typed access to MLflow's tracking store, remote or local. No other module writes to it.

`AbstractStore` is MLflow's documented plugin interface: one class behind `http://`, `sqlite:///` and the others.
`MlflowClient` would print a link and read the run again at each end of a run, and has no method for spans.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import weakref
from dataclasses import dataclass
from math import ceil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList
from mlflow.tracking._tracking_service.utils import _get_store  # pyright: ignore[reportPrivateUsage, reportUnknownVariableType] - the only door to AbstractStore by URI
from mlflow.tracking.context import registry as run_context
from mlflow.utils import uri as mlflow_uri

from otel_dspy.mlflow.mapping.naming import MAX_TAG
from otel_dspy.mlflow.tracking.requests.error_classification import artifact_access
from otel_dspy.mlflow.tracking.store import capabilities, server_artifacts
from otel_dspy.mlflow.tracking.store.mlflow_span import mlflow_span
from otel_dspy.mlflow.tracking.store.paging import every_page
from otel_dspy.mlflow.tracking.store.store_transaction import one_transaction
from otel_dspy.mlflow.tracking.store.trace_sums import corrected_sums

if TYPE_CHECKING or (capabilities.MODELS and capabilities.TRACES):
    from otel_dspy.mlflow.tracking.store import trace_entities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mlflow.entities import LoggedModel, Run

    from otel_dspy.mlflow.mapping.operations import LogDataset, LogSpan, LogTrace, MetricPoint
    from otel_dspy.mlflow.mapping.operations import RunStatus as RunState
    from otel_dspy.runtime.fork_gate import ForkGate

MAX_METRICS = 800
"""Maximum metrics in a request; a store accepts 1000 entries of all kinds, 100 of them parameters and 100 tags."""
MAX_PARAMS = 100
"""Maximum parameters in a request."""
PAGE = 1000
"""Maximum runs in a response."""
_TAKES_WHOLE_HEADS = ("tried to blank-out primary key", "assessments.trace_id")
"""Errors of MLflow 3.6 and 3.10 for a trace info without a tag, metadata or an assessment that the trace has."""
_UNREADABLE = ("RESOURCE_DOES_NOT_EXIST", "NOT_IMPLEMENTED")
"""Error codes of a trace that does not exist, or that the server cannot return."""
_WITHOUT_SPANS = "Trace data not stored in tracking store"
"""Error of MLflow 3.17 (store/tracking/sqlalchemy_store.py, `get_trace`) for a trace that has no spans."""
_NUMBERED = re.compile(r"_\d+\.json$")
ArtifactContent: TypeAlias = "str | Mapping[str, bytes]"
"""A text, or the files of a folder by name."""
TABLES_TAG = "mlflow.loggedArtifacts"
"""Tag by which the UI recognizes an artifact as a table."""


@dataclass(frozen=True, slots=True)
class RunHandle:
    """An existing run."""

    run_id: str
    artifact_uri: str


@dataclass(frozen=True, slots=True)
class FoundModel:
    """An existing LoggedModel."""

    id: str
    artifact_uri: str
    ready: bool


class Store:
    """One tracking store. Every method may raise errors of MLflow and its transports (see `error_classification`)."""

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri
        self._store: Any = cast("Any", _get_store)(tracking_uri, server_artifacts.root())
        self._context_tags: dict[str, str] | None = None
        engine: Any = getattr(self._store, "engine", None)
        if hasattr(engine, "dispose"):
            _engines.add(engine)

    def experiment_id(self, name: str) -> str:
        """Return the id of the experiment of that name, creating it if it does not exist.

        Raises:
            MlflowException: the store rejected the creation for another reason than an existing experiment.
        """
        found = self._store.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._store.create_experiment(name))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                # Another writer created it first.
                found = self._store.get_experiment_by_name(name)
        return str(found.experiment_id)

    def ping(self, experiment_id: str) -> None:
        """Send a request that a healthy store accepts."""
        self._store.get_experiment(experiment_id)

    def answer(self) -> None:
        """Send a request that a healthy store accepts for any user and whatever experiments exist."""
        self._store.search_experiments(ViewType.ACTIVE_ONLY, 1)

    def create_run(self, experiment_id: str, name: str, start_ms: int, tags: Mapping[str, str]) -> RunHandle:
        """Create a run, RUNNING, with the tags that MLflow's own runs have (user, source).

        Args:
            experiment_id: the experiment's id.
            name: the run's name.
            start_ms: start in Unix milliseconds.
            tags: more tags.
        """
        if self._context_tags is None:
            self._context_tags = {
                str(key): str(value) for key, value in cast("Any", run_context).resolve_tags().items()
            }
        every = self._context_tags | dict(tags)
        run = self._store.create_run(
            experiment_id, every.get("mlflow.user", "unknown"), start_ms, _tags(every), run_name=name
        )
        return _handle(run)

    def find_run(self, experiment_id: str, tag: str, value: str) -> RunHandle | None:
        """Return the run of the experiment with that tag.

        Args:
            experiment_id: the experiment's id.
            tag: the tag's name.
            value: its value.
        """
        found = self._store.search_runs([experiment_id], f"tags.`{tag}` = '{value}'", ViewType.ACTIVE_ONLY, 1)
        return _handle(found[0]) if found else None

    def experiment_ids(self) -> list[str]:
        """Return the ids of all experiments that are not deleted."""
        found = every_page(lambda token: self._store.search_experiments(ViewType.ACTIVE_ONLY, PAGE, page_token=token))
        return [str(experiment.experiment_id) for experiment in found]

    def running(self, experiment_ids: Sequence[str], tag: str, value: str) -> list[tuple[str, dict[str, str]]]:
        """Return the ids and tags of the experiments' runs that are RUNNING and have that tag.

        Args:
            experiment_ids: the experiments' ids.
            tag: the tag's name.
            value: its value.
        """
        chosen = f"attributes.status = 'RUNNING' and tags.`{tag}` = '{value}'"
        found = every_page(
            lambda token: self._store.search_runs(list(experiment_ids), chosen, ViewType.ACTIVE_ONLY, PAGE, None, token)
        )
        return [(str(run.info.run_id), dict(run.data.tags)) for run in found]

    def get_run(self, run_id: str) -> RunHandle:
        """Return the run of that id."""
        return _handle(self._store.get_run(run_id))

    def delete_run(self, run_id: str) -> None:
        """Delete a run; no-op if it is deleted already.

        Raises:
            MlflowException: the store did not delete it.
        """
        try:
            self._store.delete_run(run_id)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise

    def is_running(self, run_id: str) -> bool:
        """Whether the run has not ended."""
        return str(self._store.get_run(run_id).info.status) == "RUNNING"

    def run_tags(self, run_id: str) -> dict[str, str]:
        """Return the run's tags."""
        return dict(self._store.get_run(run_id).data.tags)

    def log_run(
        self, run_id: str, params: Mapping[str, str], points: Sequence[MetricPoint], tags: Mapping[str, str]
    ) -> None:
        """Log parameters, metrics and tags; the store rejects all of them if a parameter already has another value.

        Args:
            run_id: the run's id.
            params: names and values of parameters.
            points: values of metrics.
            tags: names and values of tags.
        """
        entries, rest = [Param(key, value) for key, value in params.items()], _tags(tags)
        requests = max(1, ceil(len(entries) / MAX_PARAMS), ceil(len(points) / MAX_METRICS))
        for number in range(requests):
            chunk = points[number * MAX_METRICS : (number + 1) * MAX_METRICS]
            metrics = [Metric(point.name, point.value, point.time_ms, point.step) for point in chunk]
            some = entries[number * MAX_PARAMS : (number + 1) * MAX_PARAMS]
            self._store.log_batch(run_id, metrics, some, rest if number == 0 else [])

    def end_run(self, run_id: str, status: RunState, end_ms: int) -> None:
        """End the run.

        Args:
            run_id: the run's id.
            status: its final status.
            end_ms: end in Unix milliseconds.
        """
        self._store.update_run_info(run_id, RunStatus.from_string(status), end_ms, None)

    def write_artifact(self, artifact_uri: str, path: str, content: ArtifactContent) -> None:
        """Write a text, or the files of a folder by name, below the artifact URI.

        Args:
            artifact_uri: the run's or trace's artifact location.
            path: the path below it, of the file or the folder, with forward slashes.
            content: the text, or file name -> bytes.

        Raises:
            ArtifactStoreError: the artifact store rejected it.
        """
        if isinstance(content, str):
            self.write_text(artifact_uri, path, content)
            return
        with artifact_access(), tempfile.TemporaryDirectory(prefix="otel-dspy-") as local:
            for name, data in content.items():
                Path(local, name).write_bytes(data)
            capabilities.artifact_repository(artifact_uri, self._uri).log_artifacts(local, path)

    def write_text(self, artifact_uri: str, path: str, text: str) -> None:
        """Write a text file below the artifact URI.

        Args:
            artifact_uri: the run's or trace's artifact location.
            path: the file's path below it, with forward slashes.
            text: the file's contents, written as UTF-8.

        Raises:
            ArtifactStoreError: the artifact store rejected it.
        """
        target = PurePosixPath(path)
        folder = str(target.parent) if target.parent.parts else None
        with artifact_access(), tempfile.TemporaryDirectory(prefix="otel-dspy-") as local:
            file = Path(local, target.name)
            file.write_text(text, encoding="utf-8")
            capabilities.artifact_repository(artifact_uri, self._uri).log_artifact(str(file), folder)

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

    def log_dataset(self, run_id: str, dataset: LogDataset) -> None:
        """Log a dataset input, with its role as the context that the UI shows."""
        columns = [{"type": "string", "name": name, "required": False} for name in dataset.fields]
        entity = Dataset(
            name=dataset.name,
            digest=dataset.digest,
            source_type="code",
            source=json.dumps({"tags": {}}),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps({"num_rows": dataset.size}) if dataset.size is not None else None,
        )
        self._store.log_inputs(run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", dataset.role)])])

    def models(self, run_id: str) -> list[str]:
        """Return the ids of the models among the run's outputs."""
        outputs = self._store.get_run(run_id).outputs
        return [str(found.model_id) for found in outputs.model_outputs] if outputs and outputs.model_outputs else []

    def models_of(self, experiment_id: str, run_id: str, name: str) -> list[FoundModel]:
        """Return the LoggedModels of that name that the run created.

        Args:
            experiment_id: the experiment's id.
            run_id: the run's id.
            name: the models' name.
        """
        wanted = f"source_run_id = '{run_id}' AND name = '{name}'"
        return [_found_model(model) for model in self._store.search_logged_models([experiment_id], wanted)]

    def create_model(self, experiment_id: str, run_id: str, name: str, tags: Mapping[str, str]) -> FoundModel:
        """Create a LoggedModel, PENDING.

        Args:
            experiment_id: the experiment's id.
            run_id: the run that the model is an output of.
            name: the model's name.
            tags: its tags.
        """
        model_tags = trace_entities.model_tags(tags)
        return _found_model(self._store.create_logged_model(experiment_id, name, run_id, model_tags, None, "dspy"))

    def delete_model(self, model_id: str) -> None:
        """Delete a LoggedModel; no-op if it is deleted already.

        Raises:
            MlflowException: the store did not delete it.
        """
        try:
            self._store.delete_logged_model(model_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def finish_model(self, model_id: str) -> None:
        """Set the model's status to READY."""
        self._store.finalize_logged_model(model_id, trace_entities.READY)

    def link_model(self, run_id: str, model_id: str) -> None:
        """Log the model as an output of the run, once."""
        if model_id not in self.models(run_id):
            self._store.log_outputs(run_id, [trace_entities.model_output(model_id)])

    def start_trace(
        self, experiment_id: str, trace: LogTrace, run_id: str | None, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Log a trace's info with its assessments, merged into the existing one; state and times are overwritten.

        Args:
            experiment_id: the experiment's id.
            trace: state, times, tags, metadata and assessments.
            run_id: the run that the trace belongs to, if any.
            metadata: more metadata.
        """
        head = trace_entities.trace_info(experiment_id, trace, run_id, metadata or {})
        try:
            self._store.start_trace(head)
        except Exception as error:
            if not any(text in str(error) for text in _TAKES_WHOLE_HEADS):
                raise
            self._store.start_trace(trace_entities.whole(head, self._store.get_trace_info(head.trace_id)))

    def together(self, writes: Iterable[Callable[[], None]], gate: ForkGate) -> bool:
        """Apply writes to this store in one transaction; return False if none was applied, see `one_transaction`."""
        return one_transaction(self._store, writes, gate)

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
            trace_id = trace.trace_id.removeprefix("tr-")
            sums = self.corrected_sums([trace_id]).get(trace_id, {})
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

    def corrected_sums(self, trace_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return token usage and cost of traces as metadata where MLflow's sums differ from those of their spans.

        Args:
            trace_ids: 32 hex digits each. A trace that does not exist, or that the server cannot return, is left out.
        """
        corrected: dict[str, dict[str, str]] = {}
        for trace in self._traces([f"tr-{trace_id}" for trace_id in trace_ids]):
            if sums := corrected_sums(trace.info.trace_metadata, trace.data.spans):
                corrected[str(trace.info.trace_id).removeprefix("tr-")] = sums
        return corrected

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

    def log_spans(self, experiment_id: str, spans: Iterable[LogSpan]) -> None:
        """Log spans of one or several traces in one request."""
        try:
            self._store.log_spans(experiment_id, [mlflow_span(span) for span in spans])
        except NotImplementedError:
            # MLflow requests the server's version once, and caches a failure forever.
            version: Any = getattr(self._store, "_get_server_version", None)
            if hasattr(version, "cache_clear"):
                version.cache_clear()
            # In a missing workspace the version request fails too; this request returns the reason.
            self.ping(experiment_id)
            raise


def tables_tag(paths: Iterable[str]) -> str:
    """Return the value of `TABLES_TAG` for these tables, or for as many as fit: numbered ones are omitted first."""
    chosen = sorted(paths, key=lambda path: (_NUMBERED.search(path) is not None, path))
    while True:
        tag = json.dumps([{"path": path, "type": "table"} for path in chosen])
        if len(tag) <= MAX_TAG:
            return tag
        chosen.pop()


_engines: weakref.WeakSet[Any] = weakref.WeakSet()
"""Connection pools of databases that are written without a server."""


def _after_fork() -> None:
    for engine in list(_engines):
        # Connections belong to the parent process; MLflow shares the pool within a process and does not handle forks.
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_after_fork)


def _handle(run: Run) -> RunHandle:
    return RunHandle(str(run.info.run_id), str(run.info.artifact_uri))


def _found_model(model: LoggedModel) -> FoundModel:
    return FoundModel(str(model.model_id), str(model.artifact_location), model.status == trace_entities.READY)


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(key, value) for key, value in tags.items()]
