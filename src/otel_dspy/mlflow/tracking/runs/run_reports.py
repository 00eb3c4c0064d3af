"""Writes an optimization's description and `report.html` to its run: when it has ended, and now and then before that.

The report is read back from MLflow, so it has what was captured and nothing else. It is computed on a thread of its
own. One that cannot be written is given up: `otel-dspy report` makes the same page later.
"""

from __future__ import annotations

import contextvars
import logging
import os
import pkgutil
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.boolean_text import boolean_variable
from otel_dspy.environment_variables import REPORT
from otel_dspy.mlflow.tracking.requests import http_policy, workspaces
from otel_dspy.mlflow.tracking.runs.description_tag import describe_stopped_run, write_description
from otel_dspy.mlflow.tracking.runs.saved_view_tag import save_trials_view
from otel_dspy.runtime.bounded_dict import BoundedDict
from otel_dspy.runtime.fork_gate import ForkGate
from otel_dspy.tracking_uri import without_passwords

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
    from otel_dspy.mlflow.tracking.store.store import RunHandle

_logger = logging.getLogger(__name__)

PATH: Final = "report.html"
EVERY: Final = 60.0
"""Minimum seconds between two reports on an optimization that is in progress, and before the first."""
PAUSE: Final = 20
"""Minimum pause between two such reports, in multiples of the time that the last one took."""
MAX_WAIT: Final = 10.0
"""Seconds that a flush, and the end of a process, wait for reports in progress."""
MAX_WAIT_IF_STOPPED: Final = 2.0
"""The same for reports on compiles that were stopped: a program that is interrupted ends as soon as it can."""
_MAX_KNOWN: Final = 1000
_REPORT: Final = "otel_dspy.reporting.report:report"
"""Loaded by name: that package reads MLflow by means of this one."""


@dataclass(frozen=True, slots=True)
class _Request:
    connection: Connection
    run: RunHandle
    ended: bool
    stopped: bool = False


class RunReports:
    """Reports that are due. Requests come from one thread; `wait` may be called on any."""

    def __init__(self) -> None:
        self._requested: dict[str, _Request] = {}
        """By run: not to be written before `start`, because the run is not complete."""
        self._started: dict[str, _Request] = {}
        self._current: _Request | None = None
        self._next: BoundedDict[str, float] = BoundedDict(_MAX_KNOWN)
        """By run in progress: `time.monotonic()` of the next report."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._gate = ForkGate()

    def request(self, connection: Connection, run: RunHandle, *, ended: bool, stopped: bool = False) -> None:
        """Request a report, which `start` writes once all else of the run is written.

        Args:
            connection: connection to the run's experiment.
            run: the run of the compile.
            ended: whether the compile has ended; else the request is ignored until the next report is due.
            stopped: whether it has ended before its time, so that `wait` waits for `MAX_WAIT_IF_STOPPED` only.
        """
        if not enabled():
            return
        now = time.monotonic()
        with self._changed:
            if ended:
                self._next.pop(run.run_id, None)
            elif now < self._next.setdefault(run.run_id, now + EVERY):
                return
            self._requested[run.run_id] = _Request(connection, run, ended, stopped)

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
                self.request(connection, store.get_run(run_id), ended=True, stopped=True)

    def start(self) -> None:
        """Write the requested reports on another thread."""
        with self._changed:
            self._started |= self._requested
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

    def wait(self, timeout: float) -> None:
        """Wait until the reports on compiles that have ended are written or given up, if they were started.

        Args:
            timeout: seconds; at most `MAX_WAIT`, and `MAX_WAIT_IF_STOPPED` for those on compiles that were stopped.
        """
        end = time.monotonic() + min(timeout, MAX_WAIT)
        with self._changed:
            self._changed.wait_for(lambda: not self._is_writing(stopped=True), min(timeout, MAX_WAIT_IF_STOPPED))
            self._changed.wait_for(lambda: not self._is_writing(stopped=False), max(0.0, end - time.monotonic()))

    def _is_writing(self, *, stopped: bool) -> bool:
        requests = (self._current, *self._started.values())
        return self._thread is not None and any(
            request is not None and request.ended and request.stopped is stopped for request in requests
        )

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
                    _write(request)
            except Exception as error:  # noqa: BLE001 - MLflow, its transports and the report's packages raise all kinds
                _logger.debug(
                    "The report on run %s is not written: %s", request.run.run_id, without_passwords(str(error))
                )
            if not request.ended:
                pause = max(EVERY, PAUSE * (time.monotonic() - began))
                with self._changed:
                    self._next[request.run.run_id] = time.monotonic() + pause


def enabled() -> bool:
    """Whether OTEL_DSPY_REPORT is not switched off."""
    return boolean_variable(os.environ, REPORT, default=True)


def _write(request: _Request) -> None:
    report: Callable[..., Any] = pkgutil.resolve_name(_REPORT)
    destination = request.connection.destination
    with http_policy.no_retries(0), workspaces.selected(destination.workspace):
        found = report(request.run.run_id, tracking_uri=destination.tracking_uri)
        save_trials_view(request.connection)
        write_description(request.connection.store(), request.run.run_id, found.description)
        request.connection.store().artifacts.write_text(request.run.artifact_uri, PATH, found.html)
