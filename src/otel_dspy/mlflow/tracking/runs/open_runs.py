"""Ends runs and traces that a process has begun and not ended."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.naming import PARENT_RUN
from otel_dspy.mlflow.tracking.runs.stale_runs import (
    REASON_TAG,
    end_stale_runs,
    end_traces_of_ended_runs,
    trial_description,
)
from otel_dspy.mlflow.tracking.state.process_identity import owner_is_running

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.tracking.runs.run_reports import RunReports
    from otel_dspy.mlflow.tracking.store.store import StoredRun
    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy

_logger = logging.getLogger(__name__)


class OpenRuns:
    """Open runs of one experiment."""

    def __init__(self, writer: WriterStrategy, reports: RunReports | None) -> None:
        self._writer = writer
        self._reports = reports
        self._looked_for_stale = not writer.own
        self._interrupted: list[tuple[str, Mapping[str, str]]] = []
        """Runs that were ended here and whose traces are open, each with the tags for them."""

    def end_stale(self) -> None:
        """End, once, the runs of this process' predecessors that have exited."""
        if not self._looked_for_stale:
            self._looked_for_stale = True
            ended: list[str] = []
            self._writer.attempts.retrier.run("stale runs", lambda: self._end_stale(ended))
            for run_id in ended:
                self.describe(lambda run_id=run_id: run_id)

    def describe(self, run_id: Callable[[], str]) -> None:
        """Describe the run of a compile that was stopped; one that cannot be described is left as it is.

        Args:
            run_id: returns the run's id.
        """
        if (reports := self._reports) is not None:
            connection = self._writer.connection
            self._writer.attempts.retrier.run(
                "a run's description", lambda: reports.describe_stopped(connection, run_id())
            )

    def _end_stale(self, every: list[str]) -> None:
        connection = self._writer.connection
        store, experiments = connection.store(), [connection.experiment_id()]
        ended = end_stale_runs(store, experiments, time.time_ns() // 1_000_000)
        every += ended
        if ended:
            _logger.warning("%d runs were left RUNNING by processes that have exited; they are KILLED now", len(ended))
        end_traces_of_ended_runs(store, experiments)

    def interrupted(self, reason: str | None) -> Iterator[tuple[RunKey, dict[str, str]]]:
        """Yield the runs that were begun here and are still RUNNING, to be ended by the caller.

        Runs of another living process are not yielded.

        Args:
            reason: why they are ended, if known.

        Yields:
            Each run, children first, with the tags to set.
        """
        if not self._writer.connection.opened:
            return
        tags = {REASON_TAG: reason} if reason is not None else {}
        for run in reversed(self._writer.runs.open):
            left = self._writer.attempts.run("a run's status", lambda run=run: self._left(run))
            if left is not None:
                self._interrupted.append((self._writer.runs.handle(run).run_id, tags))
                yield run, tags | trial_description(left.tags, reason)

    def _left(self, run: RunKey) -> StoredRun | None:
        """Return the run as stored if it is to be ended here."""
        store, run_id = self._writer.connection.store(), self._writer.runs.handle(run).run_id
        stored = store.stored_run(run_id)
        return stored if stored.running and (self._writer.own or not owner_is_running(stored.tags)) else None

    def end_unknown(self, end_ms: int, reason: str | None) -> int:
        """End, as KILLED, the RUNNING runs below the `interrupted` ones that no operation here has named.

        A process that was killed may have created the run of a trial of which its spool has no span. The process that
        creates the runs knows them all.

        Args:
            end_ms: their end.
            reason: why they are ended, if known.

        Returns:
            How many there were.
        """
        if self._writer.own:
            return 0
        known = {run_id for run_id, _ in self._interrupted}
        for run_id in sorted(known):
            below = self._writer.attempts.run("runs below a run", lambda run_id=run_id: self._below(run_id, known))
            for stored_id, stored in (below or {}).items():
                self._writer.attempts.run(
                    "a run's end", lambda run=(stored_id, stored): self._end(*run, end_ms, reason)
                )
        return len(self._interrupted) - len(known)

    def _below(self, run_id: str, known: Collection[str]) -> dict[str, dict[str, str]]:
        """Return the tags of the RUNNING runs below a run, by id; not of `known` ones or those of a living process."""
        connection, found = self._writer.connection, dict[str, dict[str, str]]()
        pending = [run_id]
        while pending:
            for child, tags in connection.store().running([connection.experiment_id()], PARENT_RUN, pending.pop()):
                if child not in known and child not in found and not owner_is_running(tags):
                    found[child] = tags
                    pending.append(child)
        return found

    def _end(self, run_id: str, stored: Mapping[str, str], end_ms: int, reason: str | None) -> None:
        tags = {REASON_TAG: reason} if reason is not None else {}
        store = self._writer.connection.store()
        store.log_run(run_id, {}, (), tags | trial_description(stored, reason))
        store.end_run(run_id, "KILLED", end_ms)
        self._interrupted.append((run_id, tags))

    def end_traces(self) -> None:
        """End, as ERROR, the traces in progress of the `interrupted` runs, after all batches have been sent."""
        for run_id, tags in self._interrupted:
            self._writer.attempts.run("a run's traces", self._traces_end(run_id, tags))
        self._interrupted.clear()

    def end_trace(self, trace_id: str, reason: str) -> None:
        """End, as ERROR, a trace in progress whose end will not be recorded.

        Args:
            trace_id: 32 hex digits.
            reason: why not.
        """
        connection = self._writer.connection
        self._writer.attempts.run(
            "a trace's end", lambda: connection.store().traces.end_open_trace(trace_id, {REASON_TAG: reason})
        )

    def _traces_end(self, run_id: str, tags: Mapping[str, str]) -> Callable[[], None]:
        connection = self._writer.connection
        return lambda: connection.store().traces.end_open_traces([connection.experiment_id()], run_id, tags)
