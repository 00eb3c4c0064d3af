"""Number of spans that MLflow has not accepted, while they are sent: the progress of a process' end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.store.traces.trace_store import TraceStore
from otel_dspy.mlflow.tracking.traces import trace_writes
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TRACES = 6


def queued(uri: str) -> OperationApplier:
    """Return an applier with traces of two spans."""
    applier = OperationApplier(ExclusiveWriter(Destination(uri, Experiment(name="e")), threading.Event()))
    for number in range(1, TRACES + 1):
        trace_id = f"{number:032x}"
        applier.apply(LogTrace(key=trace_id, trace_id=trace_id, run=None, start_ms=1, state="OK", duration_ms=1))
        for span_id, parent in ((1, None), (2, f"{1:016x}")):
            record = SpanRecord(
                trace_id=trace_id, span_id=f"{span_id:016x}", parent_id=parent, name="s", kind="INTERNAL",
                start_ns=1, end_ns=2, attributes={},
            )  # fmt: skip
            applier.apply(
                LogSpan(key=f"{number}.{span_id}", trace_id=trace_id, span=record, parent_id=parent, attributes={})
            )
    return applier


@pytest.mark.parametrize("failing", [0, 2])
def test_it_decreases_with_each_request(failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one of them fails and is sent again: nothing is counted twice."""
    monkeypatch.setattr(trace_writes, "MOST_SPANS", 4)
    applier = queued(blank_store(tmp_path))
    send, seen = TraceStore.log_spans, list[int]()

    def noted(store: TraceStore, experiment_id: str, spans: Iterable[LogSpan]) -> None:
        seen.append(applier.unsent_spans)
        if len(seen) == failing:
            raise MlflowException("busy")
        send(store, experiment_id, spans)

    monkeypatch.setattr(TraceStore, "log_spans", noted)
    assert applier.unsent_spans == 2 * TRACES
    applier.send_all()
    assert seen[:2] == [12, 8]
    assert seen[-1] == 4
    assert (applier.unsent_spans, applier.done, applier.lost) == (0, 9, 0)
