"""Operations to MLflow: in order, tried again where that helps, harmless when applied twice."""

from __future__ import annotations

import json
import logging
import random
import time
from typing import TYPE_CHECKING, Final, assert_never

from otel_dspy.mlflow import naming
from otel_dspy.mlflow.operations import (
    EndRun,
    EnsureRun,
    ForgetPrograms,
    KeepProgram,
    LogDataset,
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
from otel_dspy.mlflow.refusals import Verdict, verdict
from otel_dspy.mlflow.runs import Runs
from otel_dspy.mlflow.states import ProgramStates
from otel_dspy.mlflow.store import TABLES_TAG, Store
from otel_dspy.mlflow.tables import table_json
from otel_dspy.mlflow.trace_batches import TraceBatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from otel_dspy.mlflow.destination import Destination
    from otel_dspy.mlflow.operations import (
        Operation,
        RunKey,
    )

_logger = logging.getLogger(__name__)

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 15.0
"""Seconds between two tries; doubled each time, half of it left to chance."""
MAX_RETRIES: Final = 6
"""Tries of an operation that the server fails at; an unreachable server is waited for without end."""
LINGER: Final = 1.0
"""Seconds that spans wait for company."""


class Sink:
    """Applies operations to one experiment. Not thread-safe: one worker, one order."""

    def __init__(self, destination: Destination, stop: Event) -> None:
        """Create it.

        Args:
            destination: where to; nothing is asked of it before the first operation.
            stop: set when there is no time left: what cannot be delivered at once is given up.
        """
        self._destination = destination
        self._stop = stop
        self._opened: tuple[Store, str, Runs] | None = None
        self._states: ProgramStates[LogProgram | LogModel] = ProgramStates()
        self._batch = TraceBatch()
        self._oldest: float | None = None
        self._tables: dict[RunKey, list[str]] = {}
        self._tags: dict[RunKey, dict[str, str]] = {}
        self.lost = 0
        """Operations and span batches that MLflow did not take."""
        self._told: set[str] = set()

    def apply(self, operation: Operation) -> None:
        """Apply one operation; what is refused is logged, counted, and does not stop the next."""
        match operation:
            case LogSpan():
                self._batch.add_span(operation)
                self._linger()
            case LogTrace():
                self._batch.add_head(operation)
                self._linger()
            case KeepProgram(scope=scope, program_id=program_id, state=state):
                for waiting in self._states.keep(scope, program_id, state):
                    self._try(type(waiting).__name__, lambda waiting=waiting: self._apply(waiting))
            case ForgetPrograms(scope=scope):
                for waiting in self._states.forget(scope):
                    _logger.warning("The state of program %s never came; no %s", waiting.program_id, waiting.path)
            case _:
                self._try(type(operation).__name__, lambda: self._apply(operation))
        if self._batch.full:
            self.send_traces()

    def _linger(self) -> None:
        if self._oldest is None:
            self._oldest = time.monotonic()

    def send_due(self) -> None:
        """Send the traces that have waited long enough."""
        if self._oldest is not None and time.monotonic() - self._oldest >= LINGER:
            self.send_traces()

    def send_traces(self) -> None:
        """Send all traces that wait."""
        for head in list(self._batch.heads.values()):
            self._try("trace", lambda head=head: self._send_head(head))
            self._batch.head_sent(head)
        if self._batch.spans:
            self._send_spans(list(self._batch.spans))
            self._batch.spans_sent()
        self._oldest = None

    def _send_spans(self, spans: list[LogSpan]) -> None:
        traces: dict[str, list[LogSpan]] = {}
        for span in spans:
            traces.setdefault(span.trace_id, []).append(span)

        def send(chosen: list[LogSpan]) -> None:
            self._store().log_spans(self._experiment_id(), chosen)

        if len(traces) == 1:
            self._try("spans", lambda: send(spans))
        elif not self._try("spans", lambda: send(spans), last=False) and not self._stop.is_set():
            # A server refuses a request for one bad span in it: the other traces must not go with it.
            for chosen in traces.values():
                self._try("spans", lambda chosen=chosen: send(chosen))

    def _send_head(self, head: LogTrace) -> None:
        run_id = self._runs().handle(head.run, head.start_ms).run_id if head.run else None
        self._store().start_trace(self._experiment_id(), head, run_id)

    def _apply(self, operation: Operation) -> None:  # noqa: C901, PLR0912 - a branch for each operation, no more
        match operation:
            case EnsureRun():
                self._runs().ensure(operation)
            case LogParams():
                self._log_params(operation)
            case LogMetrics(run=run, metrics=metrics, tags=tags):
                waiting = self._tags.get(run, {})
                self._store().log_metrics(self._run_id(run), metrics, {**waiting, **tags})
                self._tags.pop(run, None)
            case LogText(run=run, path=path, text=text):
                self._write(run, path, text)
            case LogTable():
                self._log_table(operation)
            case LogProgram(run=run, scope=scope, program_id=program_id, path=path):
                state = self._states.state(scope, program_id)
                if state is None:
                    self._states.wait(scope, program_id, operation)
                else:
                    self._write(run, path, state)
            case LogDataset(run=run):
                self._store().log_dataset(self._run_id(run), operation)
            case LogModel():
                self._log_model(operation)
            case EndRun(run=run, status=status, end_ms=end_ms):
                if waiting := self._tags.pop(run, {}):
                    self._store().log_metrics(self._run_id(run), [], waiting)
                self._store().end_run(self._run_id(run), status, end_ms)
                self._tables.pop(run, None)
            case LogSpan() | LogTrace() | KeepProgram() | ForgetPrograms():
                self.apply(operation)
            case _:
                assert_never(operation)

    def _log_params(self, operation: LogParams) -> None:
        run_id = self._run_id(operation.run)
        try:
            self._store().log_params(run_id, operation.params)
        except Exception as error:
            if verdict(error) is not Verdict.REFUSED:
                raise
            for name, value in operation.params.items():
                self._try(f"parameter {name}", lambda n=name, v=value: self._store().log_params(run_id, {n: v}))

    def _log_table(self, operation: LogTable) -> None:
        known = self._tables.get(operation.run)
        if known is None:
            # The user's own tables must stay listed.
            run = operation.run
            known = self._tables[run] = self._store().tables(run.run_id) if isinstance(run, UserRun) else []
        path, number = operation.path, 1
        while path in known:
            number += 1
            path = operation.path.replace(".json", f"_{number}.json")
        self._write(operation.run, path, table_json(operation))
        known.append(path)
        listed = json.dumps([{"path": found, "type": "table"} for found in known])
        # It rides with the run's next metrics: a request less.
        self._tags[operation.run] = {TABLES_TAG: listed}

    def _log_model(self, operation: LogModel) -> None:
        state = self._states.state(operation.scope, operation.program_id)
        if state is None:
            self._states.wait(operation.scope, operation.program_id, operation)
            return
        store, run_id = self._store(), self._run_id(operation.run)
        if store.has_model(run_id):
            return
        model = store.create_model(self._experiment_id(), operation.name, run_id, operation.tags)
        store.write_text(model.artifact_uri, operation.path, state)
        store.finish_model(model.run_id)
        store.link_model(run_id, model.run_id)
        if operation.also is not None and self._runs().known(operation.also):
            store.link_model(self._run_id(operation.also), model.run_id)

    def _write(self, run: RunKey, path: str, text: str) -> None:
        self._store().write_text(self._runs().handle(run, _now_ms()).artifact_uri, path, text)

    def _run_id(self, run: RunKey) -> str:
        return self._runs().handle(run, _now_ms()).run_id

    def _store(self) -> Store:
        return self._open()[0]

    def _experiment_id(self) -> str:
        return self._open()[1]

    def _runs(self) -> Runs:
        return self._open()[2]

    def _open(self) -> tuple[Store, str, Runs]:
        if self._opened is None:
            store = Store(self._destination.tracking_uri)
            where = self._destination.experiment
            experiment_id = where.id if where.id is not None else store.experiment_id(where.name or "Default")
            self._opened = (store, experiment_id, Runs(store, lambda: experiment_id, look_first=False))
        return self._opened

    def _try(self, what: str, attempt: Callable[[], None], *, last: bool = True) -> bool:
        """Attempt until it is done or there is no point.

        Args:
            what: the operation, in words.
            attempt: does it.
            last: whether nothing else will be tried, so that a failure is a loss.

        Returns:
            Whether it was done.
        """
        failures, pause = 0, FIRST_PAUSE
        while True:
            try:
                attempt()
            except Exception as error:  # noqa: BLE001 - no failure of MLflow's may reach the program
                failures += 1
                found = verdict(error)
                if isinstance(error, NotImplementedError) and self._opened:
                    self._opened[0].forget_version()
                hopeless = found is Verdict.REFUSED or (found is Verdict.RETRY and failures >= MAX_RETRIES)
                if failures == 1 and not hopeless:
                    self._tell(f"MLflow at {self._destination.tracking_uri} does not answer; trying again: {error}")
                # Half of the pause is left to chance, lest many programs come back at once.
                if hopeless or self._stop.wait(pause * (0.5 + random.random() / 2)):  # noqa: S311 - chance, no secret
                    if last or self._stop.is_set():
                        self._lose(what, error)
                    return False
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                return True

    def _lose(self, what: str, error: Exception) -> None:
        self.lost += 1
        self._tell(f"MLflow at {self._destination.tracking_uri} did not take {what}: {error}")

    def _tell(self, message: str) -> None:
        # Once for each kind: a server that is down must not flood the user's terminal.
        kind = message[:120]
        if kind not in self._told:
            self._told.add(kind)
            _logger.warning("%s", message[: naming.MAX_PREVIEW])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
