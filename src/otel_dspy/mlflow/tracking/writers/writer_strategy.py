"""Interface of a writer: what depends on whether other processes write the same runs and traces.

`ExclusiveWriter` is the one of a process that writes its own compiles; a bridge uses
`otel_dspy.bridge.multi_writer.concurrent_writer.ConcurrentWriter`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from otel_dspy.mlflow.mapping.operations import KeepProgram, LogChanges, LogModel, LogProgram
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.mapping.trace_operations import LogTrace
    from otel_dspy.mlflow.tracking.requests.attempt_counters import CountedAttempts
    from otel_dspy.mlflow.tracking.state.program_states import ProgramStates
    from otel_dspy.mlflow.tracking.state.run_lookup import Runs
    from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactContent
    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection

    ProgramOperation = LogProgram | LogChanges | LogModel


class PendingArtifacts(Protocol):
    """Artifacts that were accepted and are not written."""

    @property
    def waiting(self) -> int:
        """Number of artifacts not written."""
        ...

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since which an artifact store accepts nothing; None if all do or none is queued."""
        ...

    @property
    def retries(self) -> int:
        """Number of attempts beyond the first of each artifact."""
        ...

    def begin(self) -> None:
        """Begin to write the artifacts that are due. Waits, like `send`, only where many are in memory.

        Raises:
            Stopped: the deadline has passed.
        """
        ...

    def send(self) -> None:
        """Write the artifacts that are due.

        Raises:
            Stopped: the deadline has passed.
        """
        ...

    def give_up(self) -> None:
        """Leave the queued artifacts to the spool."""
        ...


class WriterStrategy(Protocol):
    """Writes to one experiment. Methods other than the properties may raise errors of MLflow and its transports."""

    @property
    def connection(self) -> Connection:
        """The connection to the experiment."""
        ...

    @property
    def attempts(self) -> CountedAttempts:
        """The retry policy, and the number of operations by outcome."""
        ...

    @property
    def artifacts(self) -> PendingArtifacts:
        """Artifacts that `write_artifact` has queued."""
        ...

    @property
    def own(self) -> bool:
        """Whether the operations belong to this process, so that its runs end with it."""
        ...

    @property
    def shared(self) -> bool:
        """Whether other processes may log the same compiles."""
        ...

    @property
    def sends_in_groups(self) -> bool:
        """Whether `OperationApplier.send_all` follows each group of spans, none of which counts as written before."""
        ...

    @property
    def runs(self) -> Runs:
        """The runs of the experiment."""
        ...

    def look_up_runs(self) -> None:
        """Look runs up before creating them: from now on other processes may log the same compiles."""
        ...

    def exists(self, run: RunKey) -> bool:
        """Whether the run exists, as far as that is known without a request."""
        ...

    def shares_tables(self, run: RunKey) -> bool:
        """Whether other processes may list tables in the run."""
        ...

    def write_artifact(
        self, uri: str, path: str, content: ArtifactContent, written: Callable[[], None] | None = None
    ) -> None:
        """Write an artifact, or queue it.

        Args:
            uri: artifact URI of the run or model.
            path: path below it.
            content: the text, or the files of a folder.
            written: called after the write.
        """
        ...

    def metadata_alone(self, info: LogTrace) -> Mapping[str, str] | None:
        """Return the additional metadata of an info that can be written without a look at what others have written.

        Args:
            info: the info.

        Returns:
            None if `write_info` has to read first.
        """
        ...

    def write_info(self, info: LogTrace, write: Callable[[LogTrace, Mapping[str, str]], None]) -> None:
        """Write a trace info so that it does not revert a trace that has ended.

        Args:
            info: the info.
            write: sends an info with additional metadata.
        """
        ...

    def write_model(self, operation: LogModel, state: str, link: Callable[[str], None]) -> None:
        """Create a model, once.

        Args:
            operation: the model.
            state: its text.
            link: called with the model's id once the model is READY.
        """
        ...

    def program_tags(self, program: KeepProgram) -> dict[str, str]:
        """Return tags of the compile's run by which other writers find the program."""
        ...

    def missing_programs(
        self, operation: ProgramOperation, states: ProgramStates[ProgramOperation]
    ) -> Iterable[KeepProgram]:
        """Yield the programs that the operation needs, that `states` lacks and another writer has received."""
        ...
