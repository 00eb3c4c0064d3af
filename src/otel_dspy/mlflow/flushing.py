"""`flush`: wait for the delivery of all spans that the MLflow span processors of this process have received."""

from __future__ import annotations

import math
import time
import weakref
from numbers import Real
from typing import TYPE_CHECKING, Final, Protocol

from otel_dspy.environment.quantities import MOST_SECONDS
from otel_dspy.mlflow.delivery.drain_timeout import DrainTimeout
from otel_dspy.runtime.deferred_queue import drain_deferred
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from collections.abc import Sequence


class FlushableProcessor(Protocol):
    """What `flush` calls of a span processor."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait for the delivery of what has ended; return False if the time ran out."""
        ...

    def wait_for_reports(self, timeout: float) -> None:
        """Wait for reports on optimizations, `timeout` seconds at most."""
        ...


_processors: Final[weakref.WeakSet[FlushableProcessor]] = weakref.WeakSet()
_gate: Final = ForkGate()
"""Held while the set is changed or copied."""


def register(processor: FlushableProcessor) -> None:
    """Include a processor in `flush` for as long as it is referenced."""
    with _gate:
        _processors.add(processor)


def flush(timeout: float | None = None) -> bool:
    """Wait until MLflow has everything that ended in this process so far, so that it can be read back.

    Covers every `MlflowSpanProcessor`, whether `autolog`, your own code or `OTEL_TRACES_EXPORTER=mlflow` made it, and
    the spans whose end is deferred. Calls and compiles that are still running are not included. For reports on
    optimizations it waits ten seconds at most; they do not change the result.

    Args:
        timeout: seconds for all of it; by default OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT (60).

    Returns:
        False if the time ran out; what is left is delivered later, or written to the spool when the process ends. True
        also where MLflow rejected something (see `MlflowSpanProcessor.lost`).

    Raises:
        ValueError: the timeout is NaN, or not a number.
    """
    seconds = DrainTimeout.from_environment().timeout if timeout is None else timeout
    if isinstance(seconds, bool) or not isinstance(seconds, Real) or math.isnan(seconds):
        message = f"timeout={seconds!r} is not a number of seconds"
        raise ValueError(message)
    # As Python's type: the sum with a short number of NumPy would be a short one.
    deadline = time.monotonic() + float(min(seconds, MOST_SECONDS))
    processors = _registered()
    flushed = _flush_spans(processors, deadline)
    if flushed:
        for processor in processors:
            processor.wait_for_reports(max(0.0, deadline - time.monotonic()))
    return flushed


def flush_before_reading() -> None:
    """Wait as `flush` does by default, but for no report: MLflow is about to be read in this process.

    A process that records nothing does not wait. What MLflow has not accepted by then is not read.
    """
    _flush_spans(_registered(), time.monotonic() + DrainTimeout.from_environment().timeout)


def _registered() -> list[FlushableProcessor]:
    with _gate:
        return list(_processors)


def _flush_spans(processors: Sequence[FlushableProcessor], deadline: float) -> bool:
    """Return False if the deadline, by `time.monotonic()`, has passed before all spans were delivered."""
    flushed = drain_deferred(seconds=max(0.0, deadline - time.monotonic()))
    for processor in processors:
        left = max(0.0, deadline - time.monotonic())
        flushed = processor.force_flush(round(left * 1000)) and flushed
    return flushed
