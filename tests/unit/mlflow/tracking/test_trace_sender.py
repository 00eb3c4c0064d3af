"""When a trace batch is sent."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from otel_dspy.mlflow.mapping.trace_operations import LogTrace
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.requests.retry import Stopped
from otel_dspy.mlflow.tracking.traces import trace_sender
from otel_dspy.mlflow.tracking.traces.trace_batches import MAX_TRACES, POSTPONED
from otel_dspy.mlflow.tracking.traces.trace_sender import TraceSender
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = "http://127.0.0.1:1"
LOCAL = "postgresql://u@127.0.0.1:1/db"


def sender_of(uri: str, flushing: Callable[[], bool]) -> TraceSender:
    """Return a sender after the deadline, which raises `Stopped` where it would send."""
    stop = threading.Event()
    stop.set()
    return TraceSender(ExclusiveWriter(Destination(uri, Experiment(id="1")), stop), lambda: False, flushing)


def add(sender: TraceSender, first: int, after: int) -> None:
    """Queue the infos of ended traces with these numbers."""
    for number in range(first, after):
        sender.add_info(LogTrace(key=str(number), trace_id=f"{number:032x}", run=None, start_ms=1, state="OK"))


def test_a_flush_is_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the program waits, a batch for a server holds most and does not linger: `send_all` follows."""
    monkeypatch.setattr(trace_sender, "LINGER", 0.0)
    flushing = threading.Event()
    flushing.set()
    sender = sender_of(SERVER, flushing.is_set)
    add(sender, 0, MAX_TRACES * POSTPONED // 2 - 1)
    sender.send_full()
    sender.send_due()
    flushing.clear()
    for send in (sender.send_full, sender.send_due):
        with pytest.raises(Stopped):
            send()


@pytest.mark.parametrize(("uri", "count"), [(SERVER, MAX_TRACES * POSTPONED // 2), (LOCAL, MAX_TRACES)])
def test_a_full_batch_is_sent(uri: str, count: int) -> None:
    """Also during a flush; one for a local store, which takes one request at a time, is full sooner."""
    sender = sender_of(uri, lambda: True)
    add(sender, 0, count - 1)
    sender.send_full()
    add(sender, count - 1, count)
    with pytest.raises(Stopped):
        sender.send_full()
