"""MLflow's tracking store, server or local alike, behind typed methods. Nothing else here calls it.

`AbstractStore` is the interface that MLflow documents for plugins: one class behind `http://`, `sqlite:///` and the
rest. `MlflowClient` would print a link and read the run again at each end of a run, and has no spans.
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
from typing import TYPE_CHECKING, Any, cast

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
from mlflow.tracking._tracking_service.utils import _get_store  # pyright: ignore[reportPrivateUsage, reportUnknownVariableType] - the only door to AbstractStore by URI
from mlflow.tracking.context import registry as run_context

from otel_dspy.mlflow.mapping.naming import MAX_TAG
from otel_dspy.mlflow.tracking import capabilities
from otel_dspy.mlflow.tracking.error_classification import artifact_access
from otel_dspy.mlflow.tracking.mlflow_span import mlflow_span
from otel_dspy.mlflow.tracking.trace_sums import corrected_sums

if TYPE_CHECKING or (capabilities.MODELS and capabilities.TRACES):
    from otel_dspy.mlflow.tracking import trace_entities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlflow.entities import LoggedModel, Run

    from otel_dspy.mlflow.mapping.operations import LogDataset, LogSpan, LogTrace, MetricPoint
    from otel_dspy.mlflow.mapping.operations import RunStatus as RunState

MAX_METRICS = 800
"""Metrics in a request; a store takes 1000 entries of all kinds, 100 of them parameters and 100 tags."""
MAX_PARAMS = 100
"""Parameters in a request."""
PAGE = 1000
"""Runs in an answer."""
_TAKES_WHOLE_HEADS = ("tried to blank-out primary key", "assessments.trace_id")
"""What MLflow 3.6 and 3.10 report for a trace info without a tag, metadata or an assessment that the trace has."""
_NUMBERED = re.compile(r"_\d+\.json$")
TABLES_TAG = "mlflow.loggedArtifacts"
"""Tag by which the UI knows that an artifact is a table."""


@dataclass(frozen=True, slots=True)
class RunHandle:
    """A run that exists."""

    run_id: str
    artifact_uri: str


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A LoggedModel that exists."""

    id: str
    artifact_uri: str
    ready: bool


class Store:
    """One tracking store. Every method may raise what MLflow and its transports raise (see `refusals`)."""

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri
        self._store: Any = cast("Any", _get_store)(tracking_uri)
        self._context_tags: dict[str, str] | None = None
        engine: Any = getattr(self._store, "engine", None)
        if hasattr(engine, "dispose"):
            _engines.add(engine)

    def experiment_id(self, name: str) -> str:
        """Id of the experiment of that name, created if there is none."""
        found = self._store.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._store.create_experiment(name))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                # Somebody was quicker.
                found = self._store.get_experiment_by_name(name)
        return str(found.experiment_id)

    def ask(self, experiment_id: str) -> None:
        """Ask something that a healthy store answers."""
        self._store.get_experiment(experiment_id)

    def answer(self) -> None:
        """Ask something that a healthy store answers whoever may ask, whatever experiments there are."""
        self._store.search_experiments(ViewType.ACTIVE_ONLY, 1)

    def create_run(self, experiment_id: str, name: str, start_ms: int, tags: Mapping[str, str]) -> RunHandle:
        """A new run, RUNNING, with the tags that MLflow's own runs carry (user, source)."""
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
        """The run of the experiment with that tag."""
        found = self._store.search_runs([experiment_id], f"tags.`{tag}` = '{value}'", ViewType.ACTIVE_ONLY, 1)
        return _handle(found[0]) if found else None

    def experiment_ids(self) -> list[str]:
        """Ids of all experiments that are not deleted."""
        found: list[str] = []
        token: str | None = None
        while True:
            page = self._store.search_experiments(ViewType.ACTIVE_ONLY, PAGE, page_token=token)
            found += [str(experiment.experiment_id) for experiment in page]
            token = page.token
            if not token:
                return found

    def running(self, experiment_ids: Sequence[str], tag: str, value: str) -> list[tuple[str, dict[str, str]]]:
        """Ids and tags of the experiments' runs that are RUNNING and have that tag."""
        chosen = f"attributes.status = 'RUNNING' and tags.`{tag}` = '{value}'"
        found: list[tuple[str, dict[str, str]]] = []
        token: str | None = None
        while True:
            page = self._store.search_runs(list(experiment_ids), chosen, ViewType.ACTIVE_ONLY, PAGE, None, token)
            found += [(str(run.info.run_id), dict(run.data.tags)) for run in page]
            token = page.token
            if not token:
                return found

    def get_run(self, run_id: str) -> RunHandle:
        """The run of that id."""
        return _handle(self._store.get_run(run_id))

    def delete_run(self, run_id: str) -> None:
        """Delete a run; one that is deleted already stays so."""
        try:
            self._store.delete_run(run_id)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise

    def is_running(self, run_id: str) -> bool:
        """Whether the run has not ended."""
        return str(self._store.get_run(run_id).info.status) == "RUNNING"

    def run_tags(self, run_id: str) -> dict[str, str]:
        """The run's tags."""
        return dict(self._store.get_run(run_id).data.tags)

    def log_run(
        self, run_id: str, params: Mapping[str, str], points: Sequence[MetricPoint], tags: Mapping[str, str]
    ) -> None:
        """Parameters, metrics and tags; the store refuses all of them if a parameter has another value already."""
        entries, rest = [Param(key, value) for key, value in params.items()], _tags(tags)
        requests = max(1, ceil(len(entries) / MAX_PARAMS), ceil(len(points) / MAX_METRICS))
        for number in range(requests):
            chunk = points[number * MAX_METRICS : (number + 1) * MAX_METRICS]
            metrics = [Metric(point.name, point.value, point.time_ms, point.step) for point in chunk]
            some = entries[number * MAX_PARAMS : (number + 1) * MAX_PARAMS]
            self._store.log_batch(run_id, metrics, some, rest if number == 0 else [])

    def end_run(self, run_id: str, status: RunState, end_ms: int) -> None:
        """The run's end."""
        self._store.update_run_info(run_id, RunStatus.from_string(status), end_ms, None)

    def write_text(self, artifact_uri: str, path: str, text: str) -> None:
        """A text file below the artifact URI.

        Raises:
            ArtifactStoreError: the artifact store did not take it.
        """
        target = PurePosixPath(path)
        folder = str(target.parent) if target.parent.parts else None
        with artifact_access(), tempfile.TemporaryDirectory(prefix="otel-dspy-") as local:
            file = Path(local, target.name)
            file.write_text(text, encoding="utf-8")
            capabilities.artifact_repository(artifact_uri, self._uri).log_artifact(str(file), folder)

    def log_dataset(self, run_id: str, dataset: LogDataset) -> None:
        """A dataset input, its role as the context that the UI shows."""
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
        """Ids of the models among the run's outputs."""
        outputs = self._store.get_run(run_id).outputs
        return [str(found.model_id) for found in outputs.model_outputs] if outputs and outputs.model_outputs else []

    def models_of(self, experiment_id: str, run_id: str, name: str) -> list[FoundModel]:
        """The LoggedModels of that name that the run has made."""
        wanted = f"source_run_id = '{run_id}' AND name = '{name}'"
        return [_found_model(model) for model in self._store.search_logged_models([experiment_id], wanted)]

    def create_model(self, experiment_id: str, run_id: str, name: str, tags: Mapping[str, str]) -> FoundModel:
        """A new LoggedModel, PENDING."""
        told = trace_entities.model_tags(tags)
        return _found_model(self._store.create_logged_model(experiment_id, name, run_id, told, None, "dspy"))

    def delete_model(self, model_id: str) -> None:
        """Delete a LoggedModel; one that is deleted already stays so."""
        try:
            self._store.delete_logged_model(model_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def finish_model(self, model_id: str) -> None:
        """The model is whole: READY."""
        self._store.finalize_logged_model(model_id, trace_entities.READY)

    def link_model(self, run_id: str, model_id: str) -> None:
        """The model is an output of the run, once."""
        if model_id not in self.models(run_id):
            self._store.log_outputs(run_id, [trace_entities.model_output(model_id)])

    def start_trace(
        self, experiment_id: str, trace: LogTrace, run_id: str | None, metadata: Mapping[str, str] | None = None
    ) -> None:
        """A trace's head with its assessments, merged into what is there of it; state and times are overwritten."""
        head = trace_entities.trace_info(experiment_id, trace, run_id, metadata or {})
        try:
            self._store.start_trace(head)
        except Exception as error:
            if not any(text in str(error) for text in _TAKES_WHOLE_HEADS):
                raise
            self._store.start_trace(trace_entities.whole(head, self._store.get_trace_info(head.trace_id)))

    def end_open_traces(self, experiment_ids: Sequence[str], run_id: str, tags: Mapping[str, str]) -> None:
        """The run's traces that are IN_PROGRESS end with an error; how long they took nobody knows."""
        if not capabilities.TRACES:
            return
        wanted = f"metadata.`mlflow.sourceRun` = '{run_id}' AND attributes.status = 'IN_PROGRESS'"
        found: list[Any] = []
        token: str | None = None
        while True:
            page, token = self._store.search_traces(list(experiment_ids), wanted, page_token=token)
            found += page
            if not token:
                break
        for trace in found:
            sums = self.corrected_sums(trace.trace_id)
            self._store.start_trace(trace_entities.cut_off(trace, tags, sums))

    def corrected_sums(self, trace_id: str) -> dict[str, str]:
        """Token usage and cost of a trace (MLflow's id) as metadata, where MLflow has other sums than its spans give.

        Empty also where there is no such trace, or where the server cannot return one.
        """
        try:
            if hasattr(self._store, "get_trace"):
                found = [self._store.get_trace(trace_id, allow_partial=True)]
            else:  # MLflow 3.6
                found = self._store.batch_get_traces([trace_id])
        except NotImplementedError:
            return {}
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "NOT_IMPLEMENTED"}:
                return {}
            raise
        return corrected_sums(found[0].info.trace_metadata, found[0].data.spans) if found else {}

    def log_spans(self, experiment_id: str, spans: Iterable[LogSpan]) -> None:
        """Spans of one trace or several, in one request."""
        try:
            self._store.log_spans(experiment_id, [mlflow_span(span) for span in spans])
        except NotImplementedError:
            # MLflow asks the server for its version once, and remembers for ever that it got no answer.
            version: Any = getattr(self._store, "_get_server_version", None)
            if hasattr(version, "cache_clear"):
                version.cache_clear()
            # Where the workspace is not there, even that question has no answer; this one names the reason.
            self.ask(experiment_id)
            raise


def tables_tag(paths: Iterable[str]) -> str:
    """`TABLES_TAG` of a run with these tables, or with as many as a tag holds: numbered ones are left out first."""
    chosen = sorted(paths, key=lambda path: (_NUMBERED.search(path) is not None, path))
    while True:
        tag = json.dumps([{"path": path, "type": "table"} for path in chosen])
        if len(tag) <= MAX_TAG:
            return tag
        chosen.pop()


_engines: weakref.WeakSet[Any] = weakref.WeakSet()
"""Connection pools of the databases that are written without a server."""


def _after_fork() -> None:
    for engine in list(_engines):
        # Connections are the parent's; MLflow shares the pool within a process and does not know of forks.
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_after_fork)


def _handle(run: Run) -> RunHandle:
    return RunHandle(str(run.info.run_id), str(run.info.artifact_uri))


def _found_model(model: LoggedModel) -> FoundModel:
    return FoundModel(str(model.model_id), str(model.artifact_location), model.status == trace_entities.READY)


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(key, value) for key, value in tags.items()]
