"""Writes programs, their changes and models once the program states that they need have been received."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, assert_never

from otel_dspy.mlflow.mapping.operations import LogChanges, LogModel, LogProgram
from otel_dspy.mlflow.mapping.run_keys import CompileRun
from otel_dspy.mlflow.tracking.state.program_states import ProgramStates, changes_text

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import ForgetPrograms, KeepProgram
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.tracking.runs.run_sender import RunSender
    from otel_dspy.mlflow.tracking.writers.writer_strategy import ProgramOperation, WriterStrategy

_logger = logging.getLogger(__name__)


class ProgramWriter:
    """Programs of the compiles of one experiment."""

    def __init__(self, writer: WriterStrategy, batches: RunSender) -> None:
        self._writer = writer
        self._batches = batches
        self._states: ProgramStates[ProgramOperation] = ProgramStates(_log_dropped)

    def keep(self, program: KeepProgram) -> None:
        """Store a program's state, and write what waited for it."""
        for waiting in self._kept(program):
            self._writer.attempts.run(type(waiting).__name__, lambda waiting=waiting: self.write(waiting))
        tags = self._writer.program_tags(program)
        if tags:
            self._batches.batch(CompileRun(program.scope)).add(tags=tags)

    def forget(self, operation: ForgetPrograms) -> None:
        """End a scope; what still waits in scopes that ended long ago is dropped and logged."""
        self._states.forget(operation.scope)

    def write(self, operation: ProgramOperation) -> None:
        """Write to MLflow, or hold the operation until its states have been received."""
        for found in self._writer.missing_programs(operation, self._states):
            for waiting in self._kept(found):
                self._write(waiting)
        self._write(operation)

    def _kept(self, program: KeepProgram) -> list[ProgramOperation]:
        return self._states.keep(program.scope, program.program_id, program.state, initial=program.initial)

    def _write(self, operation: ProgramOperation) -> None:
        match operation:
            case LogProgram() | LogModel():
                state = self._states.state(operation.scope, operation.program_id)
                if state is None:
                    self._states.wait(operation.scope, operation.program_id, operation)
                elif isinstance(operation, LogModel):
                    self._writer.write_model(operation, state, lambda model_id: self._link(operation, model_id))
                else:
                    self._write_text(operation.run, operation.path, state)
            case LogChanges():
                text = changes_text(self._states, operation)
                if text is not None:
                    self._write_text(operation.run, operation.path, text)
            case _:
                assert_never(operation)

    def _write_text(self, run: RunKey, path: str, text: str) -> None:
        self._writer.write_artifact(self._writer.runs.handle(run).artifact_uri, path, text)

    def _link(self, operation: LogModel, model_id: str) -> None:
        store, runs = self._writer.connection.store(), self._writer.runs
        run_id = runs.handle(operation.run).run_id
        store.models.link_model(run_id, model_id)
        if operation.score is not None:
            store.models.log_score(run_id, model_id, operation.score)
        if operation.also is not None and self._writer.exists(operation.also):
            store.models.link_model(runs.handle(operation.also).run_id, model_id)


def _log_dropped(waiting: ProgramOperation) -> None:
    _logger.warning("The state of program %s was not received; %s is not logged", waiting.program_id, waiting.path)
