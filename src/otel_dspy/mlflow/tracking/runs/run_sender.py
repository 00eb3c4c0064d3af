"""Sends parameters, metrics and tags, combined by run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.naming import RUN_NAME
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.runs.run_batch import RunBatch
from otel_dspy.mlflow.tracking.runs.split_run_batch import send_batch
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy


class RunSender:
    """Batches of the runs of one experiment."""

    def __init__(self, writer: WriterStrategy) -> None:
        self._writer = writer
        self._batches: dict[RunKey, RunBatch] = {}
        self._gate = ForkGate()

    def batch(self, run: RunKey) -> RunBatch:
        """Return the run's batch that is sent next."""
        return self._batches.setdefault(run, RunBatch())

    def send(self, run: RunKey) -> None:
        """Send the run's batch."""
        batch = self._batches.pop(run, None)
        if batch is None:
            return
        attempts = self._writer.attempts
        for outcome in send_batch(attempts.retrier, batch, lambda part: self._log(run, part)):
            attempts.count(outcome)

    def send_with(self, run: RunKey, write: Callable[[str | None], None]) -> bool:
        """Send the run's batch in one transaction with another write of the run, and with due batches of other runs.

        A trial's end comes with metrics of its compile. They share the transaction in SQLite only: elsewhere several
        processes may write them, and would wait for each other's transactions.

        Args:
            run: the run.
            write: writes what follows the batch, and gives the run the name that it is called with, the batch's: as a
                tag, MLflow would update and read the run once more.

        Returns:
            Whether both were written. If not, none was: the store has no transactions, or fails, or rejects one of
            them, or there is no batch.
        """
        attempts, batch = self._writer.attempts, self._batches.get(run)
        if batch is None or not self._writer.connection.opened or attempts.retrier.failing_since is not None:
            return False
        store = self._writer.connection.store()
        tags = dict(batch.tags)
        name = tags.pop(RUN_NAME, None)
        others = self._others(run) if store.serial else {}
        writes = [
            lambda: self._log(run, replace(batch, tags=tags)),
            lambda: write(name),
            *(partial(self._log, other, found) for other, found in others.items()),
        ]
        if not attempts.retrier.run("a run's end", lambda: store.together(writes, self._gate)).value:
            return False
        for sent in (run, *others):
            del self._batches[sent]
        for _ in writes:
            attempts.count(Outcome.DONE)
        return True

    def _others(self, run: RunKey) -> dict[RunKey, RunBatch]:
        """Return the due batches of other runs that exist: one that an undone transaction creates would be unknown."""
        runs = self._writer.runs
        return {
            other: batch
            for other, batch in self._batches.items()
            if other != run and batch.due and runs.remembered(other) is not None
        }

    def send_due(self) -> None:
        """Send the batches that are not meant to be combined with later data."""
        for run in [run for run, batch in self._batches.items() if batch.due]:
            self.send(run)

    def send_all(self) -> None:
        """Send all batches."""
        for run in list(self._batches):
            self.send(run)

    def _log(self, run: RunKey, batch: RunBatch) -> None:
        run_id = self._writer.runs.handle(run).run_id
        self._writer.connection.store().log_run(run_id, batch.params, batch.points, batch.tags)
