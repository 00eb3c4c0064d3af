"""Spool files to MLflow: as often as one likes, with nothing twice there."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.delivery import spool, spool_line
from otel_dspy.mlflow.delivery.pipeline import Pipeline
from otel_dspy.mlflow.records.route import Destination, Experiment, Route
from otel_dspy.mlflow.replay.file_result import FileResult
from otel_dspy.mlflow.tracking.retry import Stopped
from otel_dspy.tracking_uri import without_passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_logger = logging.getLogger(__name__)

PATIENCE: Final = 30.0
"""Seconds without an answer of MLflow's after which a replay gives up; the files stay."""
POLL: Final = 0.2


class Replay:
    """Writes files to MLflow."""

    def __init__(
        self,
        *,
        tracking_uri: str | None = None,
        experiment: str | None = None,
        workspace: str | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Create it.

        Args:
            tracking_uri: write there, not where the files say.
            experiment: name of the experiment, the same.
            workspace: name of the MLflow workspace, the same; `""` for none.
            patience: seconds without an answer after which to give up.
        """
        self._tracking_uri = tracking_uri
        self._experiment = experiment
        self._workspace = workspace
        self._patience = patience
        self._stop = threading.Event()
        # Whoever wrote the file, or a replay before this one, may have made the runs.
        self._pipeline = Pipeline(self._stop, look_first=True)
        self._last_ms = 0

    def run(self, paths: Iterable[Path], told: Callable[[FileResult], None]) -> int:
        """Write the files, each told of when it is done.

        Returns:
            How many runs were ended as KILLED, because nothing in the files ends them.
        """
        done = threading.Event()
        threading.Thread(target=self._watch, args=(done,), daemon=True).start()
        try:
            for path in paths:
                result = FileResult(path)
                self._file(result)
                told(result)
            if self._stop.is_set():
                return 0
            ended = self._pipeline.end_open_runs(self._last_ms)
            self._pipeline.end_cut_off_traces()
        except Stopped:
            return 0
        else:
            return ended
        finally:
            done.set()

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(POLL):
            since = self._pipeline.failing_since
            if since is not None and time.monotonic() - since >= self._patience:
                self._stop.set()

    def _file(self, result: FileResult) -> None:
        pipeline = self._pipeline
        refused, failed, done, left_out = pipeline.lost, pipeline.failed, pipeline.done, pipeline.left_out
        try:
            with spool.claimed(result.path) as file:
                if file is None:
                    result.trouble = spool.CLAIMED
                    return
                for number, line in enumerate(file, 1):
                    self._line(result, number, line)
                pipeline.send_all()
                self._await_artifacts()
        except OSError as error:
            result.trouble = f"it cannot be read: {error.strerror or error}"
        except Stopped:
            result.trouble = f"MLflow has not answered for {self._patience:.0f} s; try again later"
        else:
            if pipeline.lost > refused:
                result.trouble = f"MLflow refused {pipeline.lost - refused} operations, see above"
            elif pipeline.failed > failed:
                result.trouble = f"MLflow failed at {pipeline.failed - failed} operations; try again later"
            elif pipeline.left_out > left_out and pipeline.done == done:
                result.trouble = "nothing was written: the installed MLflow is too old for all that is in it"
            if result.trouble is not None and pipeline.done == done:
                result.spans = 0

    def _await_artifacts(self) -> None:
        """Wait for the artifacts; those of a store that fails for too long count as failed, the next files go on."""
        while self._pipeline.artifacts_waiting:
            since = self._pipeline.artifacts_failing_since
            if since is not None and time.monotonic() - since >= self._patience:
                self._pipeline.give_up_artifacts()
                return
            self._stop.wait(POLL)
            self._pipeline.send_all()

    def _line(self, result: FileResult, number: int, line: bytes) -> None:
        result.ended = False
        if not line.strip():
            return
        try:
            found = spool_line.parse_line(line)
        except spool_line.DamagedLineError as error:
            if line.endswith(b"\n") or not (result.spans or spool.spool_name(result.path)):
                result.damaged.append((number, str(error)))
            # Else it is where the process was killed: `ended` tells.
            return
        if found is None:
            result.ended = True
            return
        span, route = found
        self._last_ms = max(self._last_ms, span.end_ms)
        try:
            self._pipeline.process(span, self._redirected(route))
        except Exception as error:
            _logger.debug("a line that cannot be told", exc_info=True)
            result.damaged.append((number, without_passwords(f"{type(error).__name__}: {error}")))
        else:
            result.spans += 1

    def _redirected(self, route: Route) -> Route:
        if self._tracking_uri is None and self._experiment is None and self._workspace is None:
            return route
        named = route.destination
        where = Destination(
            self._tracking_uri or named.tracking_uri,
            Experiment(name=self._experiment) if self._experiment else named.experiment,
            named.workspace if self._workspace is None else self._workspace,
        )
        # The run that the user had open is of another place.
        return Route(where, replace(route.context, user_run=None), route.options)
