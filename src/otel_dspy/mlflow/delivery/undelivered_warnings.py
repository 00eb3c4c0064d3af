"""Warnings about data that MLflow has not received when a worker is closed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy.environment.variable_names import SPOOL_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What MLflow has not received.

    Attributes:
        spans: number of spans that are left.
        unwritten: number of those that could not be written to the spool.
        operations: number of failed operations whose spans are retained.
        rejected: number of operations that MLflow rejected.
        dropped_traces: number of example traces that were dropped.
        dropped_spans: number of their spans.
        paths: the spool's files to replay.
    """

    spans: int
    unwritten: int
    operations: int
    rejected: int
    dropped_traces: int
    dropped_spans: int
    paths: Sequence[str]

    def log(self) -> None:
        """Log a warning for each kind of loss, with the command that delivers what is in the spool."""
        files = " ".join(self.paths)
        replay = f"deliver them with: otel-dspy replay {files} (to another MLflow: add --tracking-uri URI)"
        if self.spans > self.unwritten:
            _logger.warning(
                "%d spans were not delivered to MLflow. They are in the spool; %s", self.spans - self.unwritten, replay
            )
        elif self.operations:
            _logger.warning(
                "%d operations on MLflow or an artifact store failed. Their spans are in the spool; %s",
                self.operations,
                replay,
            )
        if self.unwritten:
            _logger.warning(
                "%d spans were not delivered to MLflow and could not be written to the spool: they are lost",
                self.unwritten,
            )
        if self.rejected:
            _logger.warning(
                "MLflow rejected %d operations, whose data is not there; earlier warnings have its reasons",
                self.rejected,
            )
        if self.dropped_traces:
            _logger.warning(
                "%d example traces (%d spans) were dropped: MLflow was too slow, and the spool was full or could not "
                "be written. A larger %s, or more room on the disk, keeps more of them.",
                self.dropped_traces,
                self.dropped_spans,
                SPOOL_MAX_BYTES,
            )
