"""Applies operations to MLflow in order, with retries. Applying an operation twice has no further effect."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, assert_never

from otel_dspy.mlflow.mapping import table_images
from otel_dspy.mlflow.mapping.operations import (
    EndRun,
    EnsureRun,
    ForgetPrograms,
    KeepProgram,
    LogChanges,
    LogDataset,
    LogEvaluation,
    LogMetrics,
    LogModel,
    LogParams,
    LogProgram,
    LogSpan,
    LogTable,
    LogText,
    LogTrace,
    UserRun,
)
from otel_dspy.mlflow.mapping.tables import table_json
from otel_dspy.mlflow.tracking import capabilities, workspaces
from otel_dspy.mlflow.tracking.artifact_queue import ArtifactQueue, ArtifactWrite
from otel_dspy.mlflow.tracking.evaluation_totals import evaluation_points, evaluation_tag
from otel_dspy.mlflow.tracking.processes import lives
from otel_dspy.mlflow.tracking.program_states import ProgramStates, changes_text
from otel_dspy.mlflow.tracking.retry import Outcome, Retrier
from otel_dspy.mlflow.tracking.run_batch import RunBatch
from otel_dspy.mlflow.tracking.runs import Runs
from otel_dspy.mlflow.tracking.shared_traces import SharedTraces
from otel_dspy.mlflow.tracking.split_on_reject import send_batch, send_trace
from otel_dspy.mlflow.tracking.stale_runs import REASON_TAG, end_stale_runs
from otel_dspy.mlflow.tracking.state_lookup import StateLookup
from otel_dspy.mlflow.tracking.store import TABLES_TAG, Store, tables_tag
from otel_dspy.mlflow.tracking.table_list import PREFIX as TABLE_PREFIX
from otel_dspy.mlflow.tracking.table_list import free_path, list_table
from otel_dspy.mlflow.tracking.trace_batches import TraceBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from threading import Event

    from otel_dspy.mlflow.mapping.operations import (
        Operation,
        RunKey,
    )
    from otel_dspy.mlflow.records.route import Destination
    from otel_dspy.mlflow.tracking.store import ArtifactContent
    from otel_dspy.mlflow.tracking.store_reader import StoreReader

_logger = logging.getLogger(__name__)

LINGER: Final = 1.0
"""Linger time of a trace batch, in seconds."""


class Sink:
    """Applies operations to one experiment. Not thread-safe: used by one worker, in order."""

    def __init__(
        self,
        destination: Destination,
        stop: Event,
        *,
        look_first: bool = False,
        own: bool = False,
        urgent: Callable[[], bool] = lambda: False,
    ) -> None:
        """Create a sink.

        Args:
            destination: the experiment; no request is sent before the first operation.
            stop: set when the deadline has passed; the operation in progress then raises `Stopped`.
            look_first: other processes may have logged the same compiles: look their runs up before creating any.
            own: the operations belong to this process: its runs are tagged with it, and stale runs of processes that
                have exited are ended first.
            urgent: returns whether operations are queued that should be applied before more traces are sent.
        """
        self._destination = destination
        self._look_first = look_first
        self._own = own
        self._urgent = urgent
        self._looked_for_stale = not own
        self._attempts = Retrier(
            destination.tracking_uri,
            stop,
            lambda: self._store().ask(self._experiment_id()),
            workspace=destination.workspace,
        )
        self._artifacts = ArtifactQueue(self._write_content, stop, self._answers, lambda: self._count(Outcome.FAILED))
        self._opened: tuple[Store, str, Runs] | None = None
        self._reader: StoreReader | None = None
        self._recollection = StateLookup(self._read, self._experiment_id)
        self._states: ProgramStates[LogProgram | LogChanges | LogModel] = ProgramStates()
        self._batch = TraceBatch()
        self._oldest: float | None = None
        self._tables: dict[RunKey, dict[str, str]] = {}
        self._gathered: dict[RunKey, RunBatch] = {}
        self._interrupted: list[tuple[str, Mapping[str, str]]] = []
        """Runs ended as KILLED whose traces are still open, each with the tags for them."""
        self.lost = 0
        """Number of operations and span batches that MLflow rejected."""
        self.failed = 0
        """Number of operations and span batches that failed and may succeed in a later replay."""
        self.applied = 0
        """Number of operations attempted, whatever their outcome."""
        self.done = 0
        """Number of operations and span batches that MLflow accepted."""
        self.left_out = 0
        """Number of operations that the installed MLflow does not support (see `capabilities`)."""

    def look_first(self) -> None:
        """Look runs up before creating them: from now on other processes may log the same compiles."""
        self._look_first = True
        if self._opened is not None:
            self._runs().look_first()

    @property
    def waits(self) -> bool:
        """Whether applied operations have not been sent."""
        return not self._batch.empty

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since which MLflow accepts nothing; None if it does."""
        return self._attempts.failing_since

    @property
    def artifacts_failing_since(self) -> float | None:
        """`time.monotonic()` since which an artifact store accepts nothing; None if all do or none is queued."""
        return self._artifacts.failing_since

    @property
    def artifacts_waiting(self) -> int:
        """Number of artifacts not written."""
        return self._artifacts.waiting

    def give_up_artifacts(self) -> None:
        """Leave the queued artifacts to the spool and count them as failed."""
        self._artifacts.give_up()

    @property
    def retries(self) -> int:
        """Number of attempts beyond the first of each operation."""
        return self._attempts.retries + self._artifacts.retries

    def end_open_runs(self, end_ms: int, reason: str | None = None) -> int:
        """End, as KILLED, the runs that were begun here and are still RUNNING; return their number.

        The reason, if given, becomes a tag of each. `end_interrupted_traces` ends their traces. Runs of another living
        process are not changed.
        """
        if self._opened is None:
            return 0
        ended = 0
        for run in reversed(self._runs().open):
            found: list[bool] = []
            self._try("a run's status", lambda run=run, found=found: found.append(self._is_left(run)))
            if found == [True]:
                tags = {REASON_TAG: reason} if reason is not None else {}
                if tags:
                    self._gather(run).add(tags=tags)
                self._interrupted.append((self._run_id(run), tags))
                self.apply(EndRun(key="killed", run=run, status="KILLED", end_ms=end_ms))
                ended += 1
        return ended

    def end_interrupted_traces(self) -> None:
        """End, as ERROR, the traces in progress of the runs that `end_open_runs` ended; call after `send_all`."""
        for run_id, tags in self._interrupted:
            self._try("a run's traces", lambda run_id=run_id, tags=tags: self._end_open_traces(run_id, tags))
        self._interrupted.clear()

    def _end_stale_runs(self) -> None:
        ended = end_stale_runs(self._store(), [self._experiment_id()], _now_ms())
        if ended:
            _logger.warning("%d runs were left RUNNING by processes that have exited; they are KILLED now", len(ended))

    def _end_open_traces(self, run_id: str, tags: Mapping[str, str]) -> None:
        self._store().end_open_traces([self._experiment_id()], run_id, tags)

    def _is_left(self, run: RunKey) -> bool:
        run_id = self._run_id(run)
        if not self._store().is_running(run_id):
            return False
        return self._own or not lives(self._store().run_tags(run_id))

    def apply(self, operation: Operation) -> None:  # noqa: C901, PLR0912 - a branch for each operation that waits
        """Apply one operation; a rejected one is logged and counted, and does not block the next."""
        if not self._looked_for_stale:
            self._looked_for_stale = True
            self._attempts.run("stale runs", self._end_stale_runs)
        self.applied += 1
        match operation:
            case LogSpan() | LogTrace() if not capabilities.TRACES:
                self.left_out += 1  # logged by `capabilities.report_missing`
            case LogModel() if not capabilities.MODELS:
                self.left_out += 1
            case LogSpan():
                self._batch.add_span(operation)
                self._linger()
            case LogTrace():
                self._batch.add_head(operation)
                self._linger()
            case KeepProgram(scope=scope, program_id=program_id, state=state, initial=initial):
                for waiting in self._states.keep(scope, program_id, state, initial=initial):
                    self._try(type(waiting).__name__, lambda waiting=waiting: self._apply(waiting))
            case ForgetPrograms(scope=scope):
                for waiting in self._states.forget(scope):
                    _logger.warning(
                        "The state of program %s was not received; %s is not logged", waiting.program_id, waiting.path
                    )
            case LogParams(run=run, params=params):
                self._gather(run).add(params=params)
            case LogMetrics(run=run, metrics=metrics, tags=tags):
                self._gather(run).add(points=metrics, tags=tags)
            case EndRun(run=run):
                self._send_gathered(run)
                self._try("a run's end", lambda: self._apply(operation))
            case _:
                self._try(type(operation).__name__, lambda: self._apply(operation))
        self._artifacts.send()

    def finish_span(self) -> None:
        """Send the run batches after all operations of a span have been applied, and the traces if a batch is full."""
        for run in [run for run, batch in self._gathered.items() if batch.due]:
            self._send_gathered(run)
        if self._batch.full:
            self._send_traces()

    def _gather(self, run: RunKey) -> RunBatch:
        return self._gathered.setdefault(run, RunBatch())

    def _send_gathered(self, run: RunKey) -> None:
        batch = self._gathered.pop(run, None)
        if batch is None:
            return
        for outcome in send_batch(self._attempts, batch, lambda part: self._store_batch(run, part)):
            self._count(outcome)

    def _store_batch(self, run: RunKey, batch: RunBatch) -> None:
        self._store().log_run(self._run_id(run), batch.params, batch.points, batch.tags)

    def _linger(self) -> None:
        if self._oldest is None:
            self._oldest = time.monotonic()

    def send_due(self) -> None:
        """Send the traces whose linger time has passed, and the artifacts that are due."""
        self._artifacts.send()
        self.finish_span()
        if self._oldest is not None and time.monotonic() - self._oldest >= LINGER:
            self._send_traces()

    def send_all(self) -> None:
        """Send all batches, except artifacts of a failing store: `artifacts_waiting` counts them."""
        self._artifacts.send()
        for run in list(self._gathered):
            self._send_gathered(run)
        self._send_traces(postpone=False)
        self._correct_shared_sums()

    def _send_traces(self, *, postpone: bool = True) -> None:
        """Send the trace batch, one request at a time.

        Args:
            postpone: stop between two requests, to continue with the next call, while more urgent operations are
                queued.
        """
        for send in self._trace_requests():
            if postpone and self._urgent() and not self._batch.overfull:
                return
            send()
        self._oldest = None
        if self._batch.many_written:
            self._correct_shared_sums()

    def _trace_requests(self) -> Iterator[Callable[[], None]]:
        new, begun = self._batch.new_and_begun()
        for head in new:
            yield lambda head=head: self._send_waiting_head(head)
        while self._batch.spans:
            yield self._send_next_spans
        # MLflow sums a trace's tokens and costs until it has the trace info, so traces in progress get theirs last. For
        # a new trace the order makes no difference to the sums, and sending the info first costs MLflow half as much.
        for head in begun:
            yield lambda head=head: self._send_waiting_head(head)
        if not self._look_first:  # else `_correct_shared_sums` corrects all traces
            for head in self._batch.uncounted():
                yield lambda head=head: self._send_sums(head)

    def _send_waiting_head(self, head: LogTrace) -> None:
        self._try("a trace", lambda: self._send_head(head))
        self._batch.head_sent(head)

    def _send_sums(self, head: LogTrace) -> None:
        def correct() -> None:
            for sums in self._store().corrected_sums([head.trace_id]).values():
                self._send_head(head, sums)

        self._try("a trace's sums", correct)
        self._batch.sums_sent(head)

    def _correct_shared_sums(self) -> None:
        written = self._batch.written()
        if self._look_first:
            SharedTraces(self._store, self._read, self._attempt_sums, self._send_head).correct(written)

    def _attempt_sums(self, attempt: Callable[[], None]) -> None:
        outcome = self._attempts.run("a trace's sums", attempt)
        if outcome is not Outcome.DONE:  # mostly reads, which write nothing
            self._count(outcome)

    def _send_next_spans(self) -> None:
        spans = self._batch.next_spans()
        self._send_spans(spans)
        self._batch.spans_sent(spans)

    def _send_spans(self, spans: list[LogSpan]) -> None:
        # A span that was received twice before it was sent, as after a Collector's death, is sent once: MLflow on
        # PostgreSQL rejects a whole request that contains a span twice.
        spans = list({(span.trace_id, span.span.span_id): span for span in spans}.values())
        traces: dict[str, list[LogSpan]] = {}
        for span in spans:
            traces.setdefault(span.trace_id, []).append(span)

        def send(chosen: list[LogSpan]) -> None:
            self._store().log_spans(self._experiment_id(), chosen)

        if len(traces) > 1 and self._attempts.run("spans", lambda: send(spans)) is Outcome.DONE:
            self._count(Outcome.DONE)
            return
        for chosen in traces.values():
            for outcome in send_trace(self._attempts, chosen, send):
                self._count(outcome)

    def _send_head(self, head: LogTrace, metadata: Mapping[str, str] | None = None) -> None:
        if self._look_first and head.state is None:
            # It may be logged again after the trace's end, which must not be reverted.
            head = self._recollection.completed(head)
        self._write_head(head, metadata)

    def _write_head(self, head: LogTrace, metadata: Mapping[str, str] | None = None) -> None:
        run_id = self._runs().handle(head.run, head.start_ms).run_id if head.run else None
        self._store().start_trace(self._experiment_id(), head, run_id, metadata)

    def _apply(self, operation: Operation) -> None:  # noqa: C901, PLR0912 - a branch for each operation, no more
        match operation:
            case EnsureRun(run=run):
                if tags := self._runs().ensure(operation):
                    self._gather(run).add(tags=tags)
            case LogText(run=run, path=path, text=text):
                self._write(run, path, text)
            case LogTable():
                self._log_table(operation)
            case LogEvaluation():
                self._log_evaluation(operation)
            case LogProgram(run=run, scope=scope, program_id=program_id, path=path):
                state = self._states.state(scope, program_id)
                if state is None:
                    self._states.wait(scope, program_id, operation)
                else:
                    self._write(run, path, state)
            case LogChanges(run=run, path=path):
                text = changes_text(self._states, operation)
                if text is not None:
                    self._write(run, path, text)
            case LogDataset(run=run, start_ms=start_ms):
                self._runs().handle(run, start_ms)
                self._store().log_dataset(self._run_id(run), operation)
            case LogModel():
                self._log_model(operation)
            case EndRun(run=run, status=status, end_ms=end_ms):
                self._store().end_run(self._run_id(run), status, end_ms)
                self._tables.pop(run, None)
                self._runs().ended(run)
            case LogSpan() | LogTrace() | LogParams() | LogMetrics() | KeepProgram() | ForgetPrograms():
                self.apply(operation)
            case _:
                assert_never(operation)

    def _log_evaluation(self, operation: LogEvaluation) -> None:
        store, run_id = self._store(), self._run_id(operation.run)
        store.log_run(run_id, {}, [], {**operation.tags, **evaluation_tag(operation)})
        store.log_run(run_id, {}, evaluation_points(operation, store.run_tags(run_id)), {})

    def _log_table(self, operation: LogTable) -> None:
        if isinstance(operation.run, UserRun):
            # The user, and other processes of theirs, may list tables there too.
            self._log_shared_table(operation)
            return
        run = operation.run
        self._runs().handle(run, operation.start_ms)
        known = self._tables.setdefault(run, {})
        path, number = operation.path, 1
        while known.get(path, operation.key) != operation.key:
            number += 1
            path = operation.path.replace(".json", f"_{number}.json")
        known[path] = operation.key

        def list_it() -> None:
            # Combined with the run's next metrics, if there will be any, to save a request.
            self._gather(run).add(tags={TABLES_TAG: tables_tag(known)}, due=run not in self._tables)

        self._write_table(operation, path, list_it)

    def _log_shared_table(self, operation: LogTable) -> None:
        self._runs().handle(operation.run, operation.start_ms)
        run_id = self._run_id(operation.run)
        unlisted = self._tables.setdefault(operation.run, {})
        path = free_path({**self._store().run_tags(run_id), **unlisted}, operation.path, operation.key)
        unlisted[TABLE_PREFIX + path] = operation.key

        def list_it() -> None:
            list_table(self._store, run_id, self._store().run_tags(run_id), path, operation.key)
            unlisted.pop(TABLE_PREFIX + path, None)

        self._write_table(operation, path, list_it)

    def _write_table(self, operation: LogTable, path: str, written: Callable[[], None]) -> None:
        if images := table_images.files(operation):
            self._write(operation.run, table_images.folder(path), images)
        self._write(operation.run, path, table_json(operation, path), written)

    def _exists(self, run: RunKey) -> bool:
        """Whether the run exists, as far as that is known without a request."""
        return self._runs().known(run)

    def _log_model(self, operation: LogModel) -> None:
        state = self._states.state(operation.scope, operation.program_id)
        if state is None:
            self._states.wait(operation.scope, operation.program_id, operation)
            return
        self._write_model(operation, self._run_id(operation.run), state)

    def _write_model(self, operation: LogModel, run_id: str, state: str) -> None:
        store, experiment_id = self._store(), self._experiment_id()
        made = store.models_of(experiment_id, run_id, operation.name)
        model = made[0] if made else store.create_model(experiment_id, run_id, operation.name, operation.tags)

        def finish() -> None:
            store.finish_model(model.id)
            self._link_model(operation, run_id, model.id)

        self._write_artifact(model.artifact_uri, operation.path, state, finish)

    def _link_model(self, operation: LogModel, run_id: str, model_id: str) -> None:
        store = self._store()
        store.link_model(run_id, model_id)
        if operation.also is not None and self._exists(operation.also):
            store.link_model(self._run_id(operation.also), model_id)

    def _write(
        self, run: RunKey, path: str, content: ArtifactContent, written: Callable[[], None] | None = None
    ) -> None:
        self._write_artifact(self._runs().handle(run, _now_ms()).artifact_uri, path, content, written)

    def _write_artifact(
        self, uri: str, path: str, content: ArtifactContent, written: Callable[[], None] | None
    ) -> None:
        then = None if written is None else lambda: self._try("the update that follows an artifact", written)
        self._artifacts.add(ArtifactWrite(uri, path, content, then))

    def _run_id(self, run: RunKey) -> str:
        return self._runs().handle(run, _now_ms()).run_id

    def _read(self) -> StoreReader:
        if self._reader is None:
            from otel_dspy.mlflow.tracking.store_reader import StoreReader  # noqa: PLC0415 - MLflow 2 has no traces

            self._reader = StoreReader(self._destination.tracking_uri)
        return self._reader

    def _store(self) -> Store:
        return self._open()[0]

    def _experiment_id(self) -> str:
        return self._open()[1]

    def _runs(self) -> Runs:
        return self._open()[2]

    def _open(self) -> tuple[Store, str, Runs]:
        if self._opened is None:
            capabilities.report_missing()  # before MLflow sets up its database, and logging with it
            store = Store(self._destination.tracking_uri)
            where = self._destination.experiment
            experiment_id = where.id if where.id is not None else store.experiment_id(where.name or "Default")
            self._opened = (store, experiment_id, self._new_runs(store, experiment_id))
        return self._opened

    def _new_runs(self, store: Store, experiment_id: str) -> Runs:
        return Runs(store, lambda: experiment_id, look_first=self._look_first, own=self._own)

    def _write_content(self, uri: str, path: str, content: ArtifactContent) -> None:
        with workspaces.selected(self._destination.workspace):
            self._store().write_artifact(uri, path, content)

    def _answers(self) -> bool:
        before = self._attempts.retries
        self._attempts.run("a health check", lambda: self._store().ask(self._experiment_id()))
        return self._attempts.retries == before

    def _try(self, what: str, attempt: Callable[[], None]) -> None:
        """Attempt an operation and count its outcome."""
        self._count(self._attempts.run(what, attempt))

    def _count(self, outcome: Outcome) -> None:
        self.done += outcome is Outcome.DONE
        self.lost += outcome is Outcome.REJECTED
        self.failed += outcome is Outcome.FAILED


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
