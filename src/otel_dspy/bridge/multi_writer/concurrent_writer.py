"""Writer of runs and traces that other processes write at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.bridge.multi_writer.direct_artifacts import DirectArtifacts
from otel_dspy.bridge.multi_writer.model_creation import ready_model
from otel_dspy.bridge.multi_writer.run_creation import ConcurrentRunCreation
from otel_dspy.mlflow.mapping.operations import KeepProgram, LogChanges
from otel_dspy.mlflow.mapping.run_keys import CompileRun, EvaluateRun, UserRun
from otel_dspy.mlflow.tracking.requests.attempt_counters import CountedAttempts
from otel_dspy.mlflow.tracking.requests.retry import Retrier
from otel_dspy.mlflow.tracking.state.compile_state_lookup import INITIAL_TAG, StateLookup
from otel_dspy.mlflow.tracking.state.run_lookup import Runs
from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.traces.trace_ends import end_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from threading import Event

    from otel_dspy.mlflow.mapping.operations import LogModel
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.mapping.trace_operations import LogTrace
    from otel_dspy.mlflow.records.route import Destination
    from otel_dspy.mlflow.records.span import SpanRecord
    from otel_dspy.mlflow.tracking.state.program_states import ProgramStates
    from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactContent
    from otel_dspy.mlflow.tracking.writers.writer_strategy import ProgramOperation


class ConcurrentWriter:
    """`WriterStrategy` that looks up in MLflow what this process has not received."""

    def __init__(self, destination: Destination, stop: Event) -> None:
        """Create a writer.

        Args:
            destination: the experiment; no request is sent before the first operation.
            stop: set when the deadline has passed; the operation in progress then raises `Stopped`.
        """
        uri = destination.tracking_uri
        self.own = False
        self.shared = True
        self.sends_in_groups = True
        self.connection = Connection(destination)
        # The probe does not involve the experiment, which may itself be the cause of the failure.
        self.attempts = CountedAttempts(
            Retrier(uri, stop, lambda: Store(uri).answer(), workspace=destination.workspace, others=True)
        )
        self.artifacts = DirectArtifacts(self.connection, self.attempts.retrier)
        self._lookup = StateLookup(self.connection.reader, self.connection.experiment_id)
        self._runs: Runs | None = None

    def retry_denied(self) -> None:
        """Retry operations that MLflow rejected; until this call no further ones are sent."""
        self.attempts.retrier.retry_denied()

    def ended(self, compile_id: str) -> bool:
        """Return whether the compile has ended according to MLflow."""
        return self.attempts.run("a compile's state", lambda: self._lookup.ended(CompileRun(compile_id))) is True

    def stored_spans(self, trace_id: str) -> list[SpanRecord]:
        """Return the spans of a trace in MLflow, without texts that are stored as artifacts."""
        return self.attempts.run("a trace", lambda: self.connection.reader().spans(trace_id)) or []

    def artifact_names(self, run: RunKey) -> set[str]:
        """Return the names of the run's artifacts."""

        def look() -> set[str]:
            return self.artifacts.reader().artifacts(self.runs.handle(run, 0).artifact_uri)

        return self.attempts.run("a run's artifacts", look) or set()

    @property
    def runs(self) -> Runs:
        """The runs of the experiment."""
        if self._runs is None:
            store, experiment_id = self.connection.store(), self.connection.experiment_id
            self._runs = Runs(store, experiment_id, ConcurrentRunCreation(self.connection).create, look_up_runs=True)
        return self._runs

    def delete_claims(self, compile_id: str) -> None:
        """Delete claims on runs of an ended compile that no writer needs any more."""
        self.attempts.run("claims on runs", lambda: ConcurrentRunCreation(self.connection).delete_claims(compile_id))

    def look_up_runs(self) -> None:
        """Do nothing: runs are always looked up."""

    def exists(self, run: RunKey) -> bool:
        """Return True: another writer may have created the run, or its trial has not arrived yet."""
        del run
        return True

    def shares_tables(self, run: RunKey) -> bool:
        """Return True: other writers may list tables in any run."""
        del run
        return True

    def write_artifact(
        self, uri: str, path: str, content: ArtifactContent, written: Callable[[], None] | None = None
    ) -> None:
        """Write an artifact.

        Args:
            uri: artifact URI of the run or model.
            path: path below it.
            content: the text, or the files of a folder.
            written: called after the write.

        Raises:
            ArtifactStoreError: the artifact store rejects it or has failed.
        """
        self.artifacts.write(uri, path, content)
        if written is not None:
            written()

    def metadata_alone(self, info: LogTrace) -> Mapping[str, str] | None:
        """Return the note of the end, if the info has one that takes precedence over those of other writers."""
        end = end_of(info)
        return None if end is None or end.remote else end.metadata

    def write_info(self, info: LogTrace, write: Callable[[LogTrace, Mapping[str, str]], None]) -> None:
        """Write a trace info with a note of its end, completed with the ends that other writers have noted."""
        alone = self.metadata_alone(info)
        if alone is not None:
            write(info, alone)
            return
        end = end_of(info)
        noted = end.metadata if end is not None else {}
        write(self._lookup.completed(info), noted)
        # Another writer may have logged the end between this read and write, which then has overwritten it.
        if self._lookup.overwritten(info.trace_id):
            write(self._lookup.completed(info), noted)

    def write_model(self, operation: LogModel, state: str, link: Callable[[str], None]) -> None:
        """Link the model, created by whichever writer came first.

        Args:
            operation: the model.
            state: its text.
            link: called with the model's id once the model is READY.
        """
        run_id = self.runs.handle(operation.run).run_id
        link(ready_model(self.connection, operation, run_id, state))

    def program_tags(self, program: KeepProgram) -> dict[str, str]:
        """Return the tag by which other writers find the initial program."""
        return {INITIAL_TAG: program.program_id} if program.initial else {}

    def missing_programs(
        self, operation: ProgramOperation, states: ProgramStates[ProgramOperation]
    ) -> Iterator[KeepProgram]:
        """Yield the programs that the operation needs, that `states` lacks and another writer has received."""
        if isinstance(operation.run, EvaluateRun | UserRun):
            # A stand-alone evaluation contains its program.
            return
        self.artifacts.check()
        scope, wanted = operation.scope, [operation.program_id]
        if isinstance(operation, LogChanges):
            wanted += operation.parent_ids
            if states.state(scope, states.initial_id(scope)) is None:
                given = self._lookup.initial(scope)
                if given is not None:
                    yield _found(scope, *given, initial=True)
        for program_id in wanted:
            if states.state(scope, program_id) is None:
                state = self._lookup.program(scope, program_id)
                if state is not None:
                    yield _found(scope, program_id, state)


def _found(scope: str, program_id: str, state: str, *, initial: bool = False) -> KeepProgram:
    return KeepProgram(key=f"{scope}/{program_id}", scope=scope, program_id=program_id, state=state, initial=initial)
