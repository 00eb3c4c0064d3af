"""Writes an optimization's description and `report.html` to its run: when it has ended, and now and then before that.

The description of one in progress is written from its setup on, and more often than the page.

The report is read back from MLflow, so it has what was captured and nothing else. It is computed on a thread of its
own. One that cannot be written is given up: `otel-dspy report` makes the same page later.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from otel_dspy import semconv
from otel_dspy.environment.boolean_text import boolean_variable
from otel_dspy.environment.variable_names import REPORT
from otel_dspy.mlflow.tracking.runs import report_writer
from otel_dspy.mlflow.tracking.runs.description_tag import describe_stopped_run
from otel_dspy.mlflow.tracking.runs.ended_descriptions import EndedDescriptions
from otel_dspy.mlflow.tracking.runs.report_writer import ReportRequest
from otel_dspy.mlflow.tracking_uri import without_passwords
from otel_dspy.runtime.bounded_dict import BoundedDict
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
    from otel_dspy.mlflow.tracking.store.store import RunHandle

_logger = logging.getLogger(__name__)

EVERY: Final = 60.0
"""Minimum seconds between two reports on an optimization that is in progress, and before the first."""
DESCRIBE_EVERY: Final = 10.0
"""Minimum seconds between two descriptions that ends of trials cause."""
PAUSE: Final = 20
"""Minimum pause between two such reports, and descriptions, in multiples of the time that the last one took."""
MAX_WAIT: Final = 10.0
"""Seconds that a flush, and the end of a process, wait for reports in progress."""
MAX_WAIT_IF_STOPPED: Final = 2.0
"""Seconds that they wait for reports on compiles that were stopped: an interrupted program should end soon."""
_MAX_KNOWN: Final = 1000


class RunReports:
    """Reports that are due. Requests come from one thread; `wait` may be called on any."""

    def __init__(self) -> None:
        self._requested: dict[str, ReportRequest] = {}
        """Requests by run. A report is not written before `start`, because the run is not complete."""
        self._started: dict[str, ReportRequest] = {}
        self._current: ReportRequest | None = None
        self._next: BoundedDict[str, float] = BoundedDict(_MAX_KNOWN)
        """`time.monotonic()` of the next report, by run in progress."""
        self._next_description: BoundedDict[str, float] = BoundedDict(_MAX_KNOWN)
        """`time.monotonic()` of the next description, by run in progress."""
        self._ended = EndedDescriptions()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._gate = ForkGate()

    def request(
        self,
        connection: Connection,
        run: RunHandle,
        *,
        ended: bool,
        stopped: bool = False,
        compile_id: str | None = None,
    ) -> None:
        """Request a report, which `start` writes once everything else of the run is written.

        Args:
            connection: connection to the run's experiment.
            run: the run of the compile.
            ended: whether the compile has ended; else the request is ignored until the next description is due, and
                has no page until the next report is due.
            stopped: whether it has ended before its time, so that `wait` waits for `MAX_WAIT_IF_STOPPED` only.
            compile_id: `dspy.compile.id` of a compile that has ended, to pass its verdict on.
        """
        if not enabled():
            return
        now, page = time.monotonic(), True
        with self._changed:
            if ended:
                self._next.pop(run.run_id, None)
                self._next_description.pop(run.run_id, None)
            elif now < self._next.setdefault(run.run_id, now + EVERY):
                page = False
                if now < self._next_description.get(run.run_id, now):
                    return
                self._next_description[run.run_id] = now + DESCRIBE_EVERY
            _add(self._requested, ReportRequest(connection, run, ended, stopped, page, compile_id))

    def describe(self, connection: Connection, run: RunHandle) -> None:
        """Request a description of a compile in progress, as `request` does but at once: a phase begins.

        Args:
            connection: connection to the run's experiment.
            run: the run of the compile.
        """
        if enabled():
            with self._changed:
                _add(self._requested, ReportRequest(connection, run, ended=False, page=False))

    def ended_tags(self, connection: Connection, run: RunHandle, first_line: str) -> dict[str, str]:
        """Return the tags that describe the run of a compile that has ended until its report is written.

        Args:
            connection: connection to the run's experiment.
            run: the run of the compile.
            first_line: Markdown.

        Raises:
            Exception: any exception of MLflow and its transports.
        """
        return self._ended.tags(connection.store(), run.run_id, first_line) if enabled() else {}

    def describe_stopped(self, connection: Connection, run_id: str) -> None:
        """Describe the run of a compile that was stopped, and request a report on it.

        Called once the run and those of its trials have ended.

        Args:
            connection: connection to the run's experiment.
            run_id: the run; that of a trial is ignored.

        Raises:
            Exception: any exception of MLflow and its transports.
        """
        if enabled():
            store = connection.store()
            if describe_stopped_run(store, connection.destination.tracking_uri, run_id):
                compile_id = store.run_tags(run_id).get(semconv.DSPY_COMPILE_ID)
                self.request(connection, store.get_run(run_id), ended=True, stopped=True, compile_id=compile_id)

    def start(self) -> None:
        """Write the requested reports on another thread."""
        with self._changed:
            for request in self._requested.values():
                _add(self._started, request)
            self._requested.clear()
            if not self._started or self._thread is not None:
                return
            context = contextvars.copy_context()  # carries the suppression of tracing
            self._thread = threading.Thread(target=context.run, args=(self._run,), name="otel-dspy-report", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # at interpreter shutdown no threads can be started
                self._thread = None
                self._started.clear()

    def wait(self, timeout: float, *, exits: bool = False) -> None:
        """Wait until the reports on compiles that have ended are written or given up, if they were started.

        Args:
            timeout: seconds; at most `MAX_WAIT`, and `MAX_WAIT_IF_STOPPED` for those on compiles that were stopped.
            exits: whether the process ends, so that those that are not written then are given up, and logged.
        """
        end = time.monotonic() + min(timeout, MAX_WAIT)
        with self._changed:
            self._changed.wait_for(lambda: not self._has_pending(stopped=True), min(timeout, MAX_WAIT_IF_STOPPED))
            self._changed.wait_for(lambda: not self._has_pending(stopped=False), max(0.0, end - time.monotonic()))
        for run_id in self.pending if exits else ():
            _logger.info(
                "The report on run %s is not written: the process ends before it is ready; "
                "`otel-dspy report %s` computes it",
                run_id,
                run_id,
            )

    @property
    def pending(self) -> list[str]:
        """Ids of the runs of compiles that have ended whose started reports are neither written nor given up."""
        with self._changed:
            return [request.run.run_id for request in self._unwritten() if request.ended]

    @property
    def is_writing(self) -> bool:
        """Whether a started report has neither been written nor given up."""
        return self._thread is not None

    def _has_pending(self, *, stopped: bool) -> bool:
        return any(request.ended and request.stopped is stopped for request in self._unwritten())

    def _unwritten(self) -> list[ReportRequest]:
        if self._thread is None:
            return []
        return [request for request in (self._current, *self._started.values()) if request is not None]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._current = None
                self._changed.notify_all()
                if not self._started:
                    self._thread = None
                    return
                request = self._current = self._started.pop(next(iter(self._started)))
            began = time.monotonic()
            try:
                with self._gate:
                    report_writer.write(request, self._ended)
            except Exception as error:  # noqa: BLE001 - MLflow, its transports and the report's packages raise all kinds
                _logger.debug(
                    "The report on run %s is not written: %s", request.run.run_id, without_passwords(str(error))
                )
            if not request.ended:
                took = time.monotonic() - began
                with self._changed:
                    self._set_next(request, took)

    def _set_next(self, request: ReportRequest, took: float) -> None:
        run_id, now = request.run.run_id, time.monotonic()
        self._next_description[run_id] = now + max(DESCRIBE_EVERY, PAUSE * took)
        if request.page:
            self._next[run_id] = now + max(EVERY, PAUSE * took)


def _add(requests: dict[str, ReportRequest], request: ReportRequest) -> None:
    """Add a request, unless it is of a description and a page of the same run is waiting, which includes that."""
    if request.page or request.run.run_id not in requests:
        requests[request.run.run_id] = request


def enabled() -> bool:
    """Whether OTEL_DSPY_REPORT is not switched off."""
    return boolean_variable(os.environ, REPORT, default=True)
