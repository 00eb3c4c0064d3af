"""The queue is bounded, and what tells of the optimisation is never dropped from it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import ReadableSpan

from otel_dspy.mlflow.context import Options, RootKind, TraceContext
from otel_dspy.mlflow.destination import Destination, Experiment
from otel_dspy.mlflow.routing import Route
from otel_dspy.mlflow.worker import Worker

if TYPE_CHECKING:
    import pytest


def route(kind: RootKind) -> Route:
    """A route to nowhere."""
    context = TraceContext(trace_id="t", root_id="r", kind=kind)
    return Route(Destination("nowhere", Experiment()), context, Options())


class Stalled(Worker):
    """A worker whose thread never starts."""

    def _start(self) -> None:
        pass

    @property
    def waiting(self) -> int:
        """How many spans are queued."""
        return len(self._queue)


def test_a_full_queue_drops_examples_and_keeps_control_spans(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the bound examples are counted and warned of once; a compile's spans are always taken."""
    worker = Stalled(max_spans=3)
    for _ in range(5):
        worker.put(ReadableSpan("x"), route(RootKind.EXAMPLE))
    for _ in range(2):
        worker.put(ReadableSpan("x"), route(RootKind.COMPILE))
    assert (worker.waiting, worker.dropped, worker.lost) == (5, 2, 2)
    assert caplog.text.count("example traces are dropped") == 1


def test_the_bound_counts_characters_too() -> None:
    """A few spans with large texts fill the queue as many small ones do."""
    worker = Stalled(max_characters=100)
    worker.put(ReadableSpan("x", attributes={"a": "y" * 90}), route(RootKind.EXAMPLE))
    worker.put(ReadableSpan("x", attributes={"a": "y" * 90}), route(RootKind.EXAMPLE))
    assert (worker.waiting, worker.dropped) == (1, 1)


def test_a_forked_child_starts_with_an_empty_queue() -> None:
    """What the parent has queued is the parent's to deliver, once."""
    worker = Stalled()
    worker.put(ReadableSpan("x"), route(RootKind.COMPILE))
    child = os.fork()
    if child == 0:
        os._exit(worker.waiting)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert worker.waiting == 1
