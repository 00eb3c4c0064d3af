"""The two queues of a worker, for control spans and for examples, and the writing of both to the spool."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from otel_dspy.environment.variable_names import SPOOL_DIR
from otel_dspy.mlflow.delivery import spool_folder, spool_size_limit
from otel_dspy.mlflow.delivery.span_queue import SpanQueue
from otel_dspy.mlflow.delivery.spool_segments import SpoolSegments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otel_dspy.mlflow.delivery.queued_span import QueuedSpan

_logger = logging.getLogger(__name__)

MAX_SPANS: Final = 10_000
MAX_CHARACTERS: Final = 64 * 1024 * 1024
"""Memory bounds of the example queue: spans, and characters of their string attributes. The rest is on disk."""
CONTROL_SPANS: Final = 1_000
CONTROL_CHARACTERS: Final = 8 * 1024 * 1024
"""Memory bounds of the control queue. Control spans are few and large: the tables and programs of an outage of hours.
"""
BACK_PRESSURE: Final = 1.0
"""Seconds that a span's end blocks, once, for a slow disk before traces are dropped."""


class SpooledQueues:
    """Control and example spans that MLflow has not acknowledged.

    Attributes:
        control: setups, trials, compiles and others from which runs are logged; delivered first.
        traces: spans of examples.
        spool_now: set when the spool should be written at once.
    """

    def __init__(self, max_spans: int, max_characters: int) -> None:
        stem = spool_folder.new_stem()
        self.control = SpanQueue(
            SpoolSegments(stem, "control"),
            max_spans=min(max_spans, CONTROL_SPANS),
            max_characters=min(max_characters, CONTROL_CHARACTERS),
        )
        self.traces = SpanQueue(SpoolSegments(stem, "traces"), max_spans=max_spans, max_characters=max_characters)
        self.spool_now = threading.Event()
        self._max_spans = max_spans
        self._room = spool_size_limit.max_bytes()
        self._full = False
        self._impatient = False
        """Whether a wait for the disk has timed out since memory was last below its bound."""
        self._write_failed = False
        """Whether the last writes failed."""

    @property
    def waiting(self) -> int:
        """Number of spans that MLflow has not acknowledged."""
        return self.control.waiting + self.traces.waiting

    @property
    def untaken(self) -> int:
        """Number of spans that were not taken."""
        return self.control.untaken + self.traces.untaken

    @property
    def unwritten(self) -> int:
        """Number of spans that could not be written to the spool."""
        return self.control.unwritten + self.traces.unwritten

    @property
    def behind(self) -> bool:
        """Whether the queues are close to their memory bound."""
        return 2 * max(self.control.waiting, self.traces.waiting) > self._max_spans

    @property
    def has_room(self) -> bool:
        """Whether further examples fit in memory and on disk."""
        return not (self._full or self.traces.overfull)

    def take(self) -> QueuedSpan | None:
        """Return the next span to deliver; None if there is none."""
        return self.control.take() or self.traces.take()

    def wait_for_disk(self, closed: Callable[[], bool]) -> None:
        """Block while the disk is slower than the program, for up to `BACK_PRESSURE` seconds once.

        Args:
            closed: returns whether to stop waiting.
        """
        if not self.traces.overfull:
            self._impatient = False
            return
        began = time.monotonic()
        while self.traces.overfull and not (self._full or self.traces.write_error or self._impatient or closed()):
            self._impatient = time.monotonic() - began >= BACK_PRESSURE
            self.spool_now.set()
            time.sleep(0.01)

    def persist(self, older_than: float) -> None:
        """Write the spans to the spool that were queued more than `older_than` seconds ago."""
        latest = time.monotonic() - older_than
        # Example spans precede their trial's end; write them first, in case the process is killed in between.
        control = self.control.next_number
        for queue, before in ((self.traces, self.traces.next_number), (self.control, control)):
            try:
                queue.persist(latest, before)
            except Exception:
                _logger.exception(
                    "Spans could not be written to the spool in %s: until MLflow accepts them, they are in memory "
                    "alone. This is an error of otel-dspy: report it with this traceback.",
                    spool_folder.folder(),
                )
        error = self.control.write_error or self.traces.write_error
        if error and not self._write_failed:
            _logger.warning(
                "The spool cannot be written: %s. Spans are in memory alone, and those that MLflow does not accept "
                "before the process ends are lost. Make room in %s, or set %s to a folder that can be written.",
                error,
                spool_folder.folder(),
                SPOOL_DIR,
            )
        self._write_failed = error is not None
        self._full = self.control.size + self.traces.size >= self._room

    def confirm(self) -> None:
        """Acknowledge all taken spans."""
        self.control.confirm()
        self.traces.confirm()

    def keep(self) -> None:
        """Retain the spans in the spool, also those that are acknowledged."""
        self.control.keep()
        self.traces.keep()

    def abandon(self) -> None:
        """Leave the spans to the process that has queued them: this one is its forked child."""
        self.control.abandon()
        self.traces.abandon()

    def paths(self, *, left: bool) -> list[str]:
        """Return the spool's files.

        Args:
            left: whether spans are left; else only the files that are kept for a replay.
        """
        found: list[Path] = []
        for queue in (self.control, self.traces):
            found += queue.paths if left else queue.kept_paths
        return [str(path) for path in found]

    def release(self, *, keep: bool) -> None:
        """Close the spool's files.

        Args:
            keep: whether to leave them on disk.
        """
        for queue in (self.control, self.traces):
            try:
                queue.close(keep=keep)
            except OSError as error:
                _logger.warning("The spool cannot be closed: %s", error)
