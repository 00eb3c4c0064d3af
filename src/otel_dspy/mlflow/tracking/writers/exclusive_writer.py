"""Writer of runs and traces that no other process writes at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.run_keys import UserRun
from otel_dspy.mlflow.tracking.artifact_queue.artifact_queue import ArtifactQueue
from otel_dspy.mlflow.tracking.artifact_queue.artifact_write import ArtifactWrite
from otel_dspy.mlflow.tracking.requests import workspaces
from otel_dspy.mlflow.tracking.requests.attempt_counters import CountedAttempts
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.requests.retry import Retrier
from otel_dspy.mlflow.tracking.state.compile_state_lookup import StateLookup
from otel_dspy.mlflow.tracking.state.process_identity import own_tags
from otel_dspy.mlflow.tracking.state.run_lookup import RUN_TAG, Runs, run_tag
from otel_dspy.mlflow.tracking.store.experiment_connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from otel_dspy.mlflow.mapping.operations import KeepProgram, LogModel
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.mapping.trace_operations import LogTrace
    from otel_dspy.mlflow.records.route import Destination
    from otel_dspy.mlflow.tracking.state.program_states import ProgramStates
    from otel_dspy.mlflow.tracking.state.run_lookup import NewRun
    from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactContent
    from otel_dspy.mlflow.tracking.store.store import RunHandle
    from otel_dspy.mlflow.tracking.writers.writer_strategy import ProgramOperation


class ExclusiveWriter:
    """`WriterStrategy` of a process that writes its own compiles, or of a replay."""

    def __init__(self, destination: Destination, stop: Event, *, look_up_runs: bool = False, own: bool = False) -> None:
        """Create a writer.

        Args:
            destination: the experiment; no request is sent before the first operation.
            stop: set when the deadline has passed; the operation in progress then raises `Stopped`.
            look_up_runs: other processes may have logged the same compiles: look their runs up before creating any.
            own: the operations belong to this process: its runs are tagged with it.
        """
        self.connection = Connection(destination)
        self.own = own
        self.sends_in_groups = False
        self.attempts = CountedAttempts(
            Retrier(destination.tracking_uri, stop, self.connection.ping, workspace=destination.workspace)
        )
        self.artifacts = ArtifactQueue(
            self._write_content, stop, self._answers, lambda: self.attempts.count(Outcome.FAILED)
        )
        self.shared = look_up_runs
        """Whether other processes may log the same compiles."""
        self._lookup = StateLookup(self.connection.reader, self.connection.experiment_id)
        self._runs: Runs | None = None

    def look_up_runs(self) -> None:
        """Look runs up before creating them: from now on other processes may log the same compiles."""
        self.shared = True
        if self._runs is not None:
            self._runs.look_up_runs()

    @property
    def runs(self) -> Runs:
        """The runs of the experiment."""
        if self._runs is None:
            connection = self.connection
            self._runs = Runs(connection.store(), connection.experiment_id, self._create_run, look_up_runs=self.shared)
        return self._runs

    def _create_run(self, new: NewRun) -> RunHandle:
        tags = {RUN_TAG: run_tag(new.key)} | dict(new.tags) | (own_tags() if self.own else {})
        return self.connection.store().create_run(self.connection.experiment_id(), new.name, new.start_ms, tags)

    def exists(self, run: RunKey) -> bool:
        """Whether this process has found or created the run."""
        return self.runs.known(run)

    def shares_tables(self, run: RunKey) -> bool:
        """Whether it is the user's run: the user, and other processes of theirs, may list tables there too."""
        return isinstance(run, UserRun)

    def write_artifact(
        self, uri: str, path: str, content: ArtifactContent, written: Callable[[], None] | None = None
    ) -> None:
        """Queue an artifact; `artifacts` writes it.

        Args:
            uri: artifact URI of the run or model.
            path: path below it.
            content: the text, or the files of a folder.
            written: called after the write, with the retry policy.
        """

        def follow(update: Callable[[], None]) -> None:
            self.attempts.run("the update that follows an artifact", update)

        self.artifacts.add(ArtifactWrite(uri, path, content, None if written is None else lambda: follow(written)))

    def metadata_alone(self, info: LogTrace) -> Mapping[str, str] | None:
        """Return no metadata; None where another process may have ended the trace."""
        del info
        return None if self.shared else {}

    def write_info(self, info: LogTrace, write: Callable[[LogTrace, Mapping[str, str]], None]) -> None:
        """Write a trace info. One without an end is completed first where another process may have ended the trace."""
        if self.shared and info.state is None:
            # It may be logged again after the trace's end, which must not be reverted.
            info = self._lookup.completed(info)
        write(info, {})

    def write_model(self, operation: LogModel, state: str, link: Callable[[str], None]) -> None:
        """Create a model, queue its text, then set it READY and link it.

        Args:
            operation: the model.
            state: its text.
            link: called with the model's id once the model is READY.
        """
        store, experiment_id = self.connection.store(), self.connection.experiment_id()
        run_id = self.runs.handle(operation.run).run_id
        made = store.models.models_of(experiment_id, run_id, operation.name)
        model = made[0] if made else store.models.create_model(experiment_id, run_id, operation.name, operation.tags)

        def finish() -> None:
            store.models.finish_model(model.id)
            link(model.id)

        self.write_artifact(model.artifact_uri, operation.path, state, finish)

    def program_tags(self, program: KeepProgram) -> dict[str, str]:
        """Return no tags: no other process looks for the program."""
        del program
        return {}

    def missing_programs(
        self, operation: ProgramOperation, states: ProgramStates[ProgramOperation]
    ) -> tuple[KeepProgram, ...]:
        """Return no programs: this process receives all of them."""
        del operation, states
        return ()

    def _write_content(self, uri: str, path: str, content: ArtifactContent) -> None:
        with workspaces.selected(self.connection.destination.workspace):
            self.connection.store().artifacts.write(uri, path, content)

    def _answers(self) -> bool:
        retrier = self.attempts.retrier
        before = retrier.retries
        retrier.run("a health check", self.connection.ping)
        return retrier.retries == before
