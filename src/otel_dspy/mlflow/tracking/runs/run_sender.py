"""Sends parameters, metrics and tags, combined by run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.runs.run_batch import RunBatch
from otel_dspy.mlflow.tracking.runs.split_run_batch import send_batch

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy


class RunSender:
    """Batches of the runs of one experiment."""

    def __init__(self, writer: WriterStrategy) -> None:
        self._writer = writer
        self._batches: dict[RunKey, RunBatch] = {}

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
