"""Sink for experiments that several writers log the same compiles to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from otel_dspy.bridge.multi_writer.models import MultiWriterModels
from otel_dspy.bridge.multi_writer.runs import MultiWriterRuns
from otel_dspy.mlflow.mapping.operations import (
    CompileRun,
    EvaluateRun,
    KeepProgram,
    LogChanges,
    LogModel,
    LogProgram,
    UserRun,
)
from otel_dspy.mlflow.tracking.error_classification import ArtifactStoreError
from otel_dspy.mlflow.tracking.retry import Retrier
from otel_dspy.mlflow.tracking.sink import Sink
from otel_dspy.mlflow.tracking.state_lookup import INITIAL_TAG
from otel_dspy.mlflow.tracking.store import Store
from otel_dspy.mlflow.tracking.trace_ends import end_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from otel_dspy.mlflow.mapping.operations import LogTable, LogTrace, Operation, RunKey
    from otel_dspy.mlflow.records.route import Destination
    from otel_dspy.mlflow.records.span_records import SpanRecord
    from otel_dspy.mlflow.tracking.store import ArtifactContent
    from otel_dspy.mlflow.tracking.store_reader import StoreReader


class MultiWriterSink(Sink):
    """Sink that looks up in MLflow what this process has not received."""

    def __init__(self, destination: Destination, stop: Event) -> None:
        super().__init__(destination, stop, look_first=True)
        uri = destination.tracking_uri
        # The probe does not involve the experiment, which may itself be the cause of the failure.
        self._attempts = Retrier(uri, stop, lambda: Store(uri).answer(), workspace=destination.workspace, others=True)

    def ask_again(self) -> None:
        """Retry operations that MLflow rejected; until this call no further ones are sent."""
        self._attempts.ask_again()

    def _check_artifact_store(self) -> None:
        """Fail fast after a failure until the next delivery: clients of object stores may take minutes to fail.

        Raises:
            ArtifactStoreError: the artifact store has failed since `ask_again`.
        """
        if self._attempts.artifacts_failed:
            raise ArtifactStoreError("the artifact store has failed during this delivery")

    def _artifact_reader(self) -> StoreReader:
        self._check_artifact_store()
        return self._read()

    def ended(self, compile_id: str) -> bool:
        """Return whether the compile has ended according to MLflow."""
        found: list[bool] = []
        self._try("a compile's state", lambda: found.append(self._recollection.ended(CompileRun(compile_id))))
        return found == [True]

    def stored_spans(self, trace_id: str) -> list[SpanRecord]:
        """Return the spans of a trace in MLflow, without texts that are stored as artifacts."""
        found: list[SpanRecord] = []
        self._try("a trace", lambda: found.extend(self._read().spans(trace_id)))
        return found

    def artifacts(self, run: RunKey) -> set[str]:
        """Return the names of the run's artifacts."""
        found: set[str] = set()
        self._try(
            "a run's artifacts",
            lambda: found.update(self._artifact_reader().artifacts(self._runs().handle(run, 0).artifact_uri)),
        )
        return found

    def write_beside(self, path: str, text: str) -> None:
        """Write a text below the experiment's artifact location, next to its runs."""
        self._try(
            "a payload",
            lambda: self._write_artifact(self._read().artifact_location(self._experiment_id()), path, text, None),
        )

    def beside(self, folder: str) -> set[str]:
        """Return the names of the files in a folder below the experiment's artifact location."""
        found: set[str] = set()

        def look() -> None:
            reader = self._artifact_reader()
            found.update(reader.artifacts(reader.artifact_location(self._experiment_id()), folder))

        self._try("payloads", look)
        return {path.rpartition("/")[2] for path in found}

    def read_beside(self, path: str) -> str | None:
        """Return a text below the experiment's artifact location; None if it does not exist."""
        found: list[str | None] = []

        def look() -> None:
            reader = self._artifact_reader()
            found.append(reader.text(reader.artifact_location(self._experiment_id()), path))

        self._try("a payload", look)
        return found[0] if found else None

    @override
    def _new_runs(self, store: Store, experiment_id: str) -> MultiWriterRuns:
        return MultiWriterRuns(store, self._read(), lambda: experiment_id)

    @override
    def apply(self, operation: Operation) -> None:
        super().apply(operation)
        if isinstance(operation, KeepProgram) and operation.initial:
            self._gather(CompileRun(operation.scope)).add(tags={INITIAL_TAG: operation.program_id})

    @override
    def _apply(self, operation: Operation) -> None:
        if isinstance(operation, LogProgram | LogChanges | LogModel):
            self._recall(operation)
        super()._apply(operation)

    def _recall(self, operation: LogProgram | LogChanges | LogModel) -> None:
        """Look up program states that the operation needs and another writer has received."""
        if isinstance(operation.run, EvaluateRun | UserRun):
            # A stand-alone evaluation contains its program.
            return
        self._check_artifact_store()
        scope, wanted = operation.scope, [operation.program_id]
        if isinstance(operation, LogChanges):
            wanted += operation.parent_ids
            if self._states.state(scope, self._states.initial_id(scope)) is None:
                given = self._recollection.initial(scope)
                if given is not None:
                    self._keep(scope, *given, initial=True)
        for program_id in wanted:
            if self._states.state(scope, program_id) is None:
                state = self._recollection.program(scope, program_id)
                if state is not None:
                    self._keep(scope, program_id, state)

    def _keep(self, scope: str, program_id: str, state: str, *, initial: bool = False) -> None:
        for waiting in self._states.keep(scope, program_id, state, initial=initial):
            super()._apply(waiting)

    @override
    def _send_head(self, head: LogTrace, metadata: Mapping[str, str] | None = None) -> None:
        end = end_of(head)
        noted = {**(metadata or {}), **(end.metadata if end is not None else {})}
        if end is not None and not end.remote:
            self._write_head(head, noted)
            return
        self._write_head(self._recollection.completed(head), noted)
        # Another writer may have logged the end between this read and write, which then has overwritten it.
        if self._recollection.overwritten(head.trace_id):
            self._write_head(self._recollection.completed(head), noted)

    @override
    def _write_model(self, operation: LogModel, run_id: str, state: str) -> None:
        models = MultiWriterModels(self._store(), self._experiment_id())
        model_id = models.ensure(run_id, operation.name, operation.tags, operation.path, state)
        self._link_model(operation, run_id, model_id)

    @override
    def _write_artifact(
        self, uri: str, path: str, content: ArtifactContent, written: Callable[[], None] | None
    ) -> None:
        # Written at once: it is acknowledged only once it is stored, and other writers look for it.
        self._check_artifact_store()
        self._store().write_artifact(uri, path, content)
        if written is not None:
            written()

    @override
    def _log_table(self, operation: LogTable) -> None:
        self._log_shared_table(operation)

    @override
    def _exists(self, run: RunKey) -> bool:
        # Another writer may have created the run, or its trial has not arrived yet.
        return True
