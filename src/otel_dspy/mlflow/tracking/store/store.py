"""Typed access to MLflow's tracking store, remote or local: experiments and runs.

Only this module, `traces.trace_store`, `model_store` and `evaluation_dataset_store` write to it.

`AbstractStore` is MLflow's documented plugin interface: one class behind `http://`, `sqlite:///` and the others.
`MlflowClient` would print a link and read the run again at each end of a run, and has no method for spans.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, cast

from mlflow.entities import (
    Dataset,
    DatasetInput,
    ExperimentTag,
    InputTag,
    Metric,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.tracking.context import registry as run_context

from otel_dspy.mlflow.mapping.naming import DATASET_ROLE, KILLED_REASON
from otel_dspy.mlflow.tracking.requests import databricks
from otel_dspy.mlflow.tracking.requests.answered_id import answered_id
from otel_dspy.mlflow.tracking.requests.ignored_error import IgnoredError
from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactStore
from otel_dspy.mlflow.tracking.store.evaluation_dataset_store import EvaluationDatasetStore
from otel_dspy.mlflow.tracking.store.model_store import ModelStore
from otel_dspy.mlflow.tracking.store.open_store import open_store
from otel_dspy.mlflow.tracking.store.paging import every_page
from otel_dspy.mlflow.tracking.store.store_transaction import one_transaction
from otel_dspy.mlflow.tracking.store.traces.trace_store import TraceStore
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mlflow.entities import Run

    from otel_dspy.mlflow.mapping.operations import LogDataset, MetricPoint
    from otel_dspy.mlflow.mapping.operations import RunStatus as RunState

MAX_METRICS = 800
"""Maximum metrics in a request; a store accepts 1000 entries of all kinds, 100 of them parameters and 100 tags."""
MAX_PARAMS = 100
"""Maximum parameters in a request."""
PAGE = 1000
"""Maximum runs in a response."""


@dataclass(frozen=True, slots=True)
class RunHandle:
    """An existing run."""

    run_id: str
    artifact_uri: str
    killed: bool = False
    """Whether the run was ended without its end, for a reason that is one of its tags."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What the store has of a run: whether it has not ended, and its tags."""

    running: bool
    tags: Mapping[str, str]


class Store:
    """One tracking store. Every method may raise errors of MLflow and its transports (see `error_classification`)."""

    def __init__(self, tracking_uri: str) -> None:
        self._store: Any = open_store(tracking_uri)
        self._context_tags: dict[str, str] | None = None
        self._gate = ForkGate()
        self.traces = TraceStore(self._store)
        self.models = ModelStore(self._store)
        self.evaluation_datasets = EvaluationDatasetStore(self._store)
        self.artifacts = ArtifactStore(tracking_uri)

    def experiment_id(self, name: str) -> str:
        """Return the id of the experiment of that name, creating it if it does not exist."""
        found = self._store.get_experiment_by_name(name)
        if found is None:
            with IgnoredError("RESOURCE_ALREADY_EXISTS"):
                return answered_id(self._store.create_experiment(name), "experiment")
            found = self._store.get_experiment_by_name(name)  # another writer has created it
        return answered_id(found.experiment_id, "experiment")

    def experiment_tags(self, experiment_id: str) -> dict[str, str]:
        """Return the experiment's tags."""
        return dict(self._store.get_experiment(experiment_id).tags)

    def tag_experiment(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of an experiment.

        Args:
            experiment_id: the experiment's id.
            tags: names and values.
        """
        for key, value in tags.items():
            self._store.set_experiment_tag(experiment_id, ExperimentTag(key, value))

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
            resolved = cast("Any", run_context).resolve_tags(ignore=databricks.run_contexts_without_tags())
            self._context_tags = {str(key): str(value) for key, value in resolved.items()}
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
        """Delete a run; no-op if it is deleted already."""
        with IgnoredError("INVALID_PARAMETER_VALUE"):
            self._store.delete_run(run_id)

    def restore_run(self, run_id: str) -> None:
        """Restore a deleted run; no-op if it is not deleted."""
        with IgnoredError("INVALID_PARAMETER_VALUE"):
            self._store.restore_run(run_id)

    def stored_run(self, run_id: str) -> StoredRun:
        """Return whether the run has ended, and its tags, as the store has them now."""
        run = self._store.get_run(run_id)
        return StoredRun(str(run.info.status) == "RUNNING", dict(run.data.tags))

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
        write = partial(self._log_run, run_id, params, points, tags)
        if not self.together([write], self._gate):
            write()

    def _log_run(
        self, run_id: str, params: Mapping[str, str], points: Sequence[MetricPoint], tags: Mapping[str, str]
    ) -> None:
        entries, rest = [Param(key, value) for key, value in params.items()], _tags(tags)
        requests = max(1, ceil(len(entries) / MAX_PARAMS), ceil(len(points) / MAX_METRICS))
        for number in range(requests):
            chunk = points[number * MAX_METRICS : (number + 1) * MAX_METRICS]
            metrics = [Metric(point.name, point.value, point.time_ms, point.step) for point in chunk]
            some = entries[number * MAX_PARAMS : (number + 1) * MAX_PARAMS]
            self._store.log_batch(run_id, metrics, some, rest if number == 0 else [])

    def end_run(self, run_id: str, status: RunState, end_ms: int, name: str | None = None) -> None:
        """End the run, not before its start: the clock may have been set back in between.

        Args:
            run_id: the run's id.
            status: its final status.
            end_ms: end in Unix milliseconds.
            name: name that it gets; None: it keeps its own.
        """
        final = RunStatus.from_string(status)
        started = self._store.update_run_info(run_id, final, end_ms, name).start_time
        if started is not None and started > end_ms:
            self._store.update_run_info(run_id, final, started, None)

    def remove_run_tag(self, run_id: str, name: str) -> None:
        """Remove a tag of a run; no-op if the run does not have it.

        Args:
            run_id: the run's id.
            name: the tag's name.
        """
        with IgnoredError("RESOURCE_DOES_NOT_EXIST"):
            self._store.delete_tag(run_id, name)

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
        self._store.log_inputs(run_id, [DatasetInput(entity, [InputTag(DATASET_ROLE, dataset.role)])])

    @property
    def serial(self) -> bool:
        """Whether transactions follow one another, as in SQLite: none misses what another has written."""
        engine: Any = getattr(self._store, "engine", None)
        return getattr(getattr(engine, "dialect", None), "name", None) == "sqlite"

    def together(self, writes: Iterable[Callable[[], object]], gate: ForkGate) -> bool:
        """Apply writes to this store in one transaction; return False if none was applied, see `one_transaction`."""
        return one_transaction(self._store, writes, gate)


def _handle(run: Run) -> RunHandle:
    run_id = answered_id(run.info.run_id, "run")
    return RunHandle(run_id, str(run.info.artifact_uri), KILLED_REASON in run.data.tags)


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(key, value) for key, value in tags.items()]
