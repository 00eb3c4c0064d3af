"""What MLflow loses of traces that two writers write at the same time, and what is done about it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, cast

from mlflow.tracking._tracking_service.utils import _get_store  # pyright: ignore[reportUnknownVariableType]
from sqlalchemy import event

from otel_dspy.mlflow.tracking.store.store import Store
from tests.unit.mlflow.tracking.test_whole_traces import applied, applier_of, span, trace_info, traces


def test_a_beginning_that_is_written_while_the_end_is(uri: str) -> None:
    """MLflow reads an info before it locks the database, and writes what differs from that: not the state.

    The other writer looked for an end before the trace had spans, and looks again before this one's is committed.
    """
    applied(applier_of(uri), [span(1, 1, parent=None)])  # the state is OK now, from the root's
    store, writer = Store(uri), applier_of(uri)
    experiment, begun = store.experiment_id("e"), list[str]()
    engine: Any = cast("Any", _get_store)(uri).engine

    def begin(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE trace_info") and not begun:
            begun.append(statement)
            store.traces.start_trace(experiment, replace(trace_info(1), state=None, duration_ms=None), None)

    event.listen(engine, "before_cursor_execute", begin)
    applied(writer, [trace_info(1)])
    event.remove(engine, "before_cursor_execute", begin)
    assert begun
    assert cast("Any", _get_store)(uri).get_trace_info(f"tr-{1:032x}").state == "OK"


def test_traces_that_others_create_while_their_spans_are_written(uri: str) -> None:
    """Each time MLflow is about to create one, it is there already: MLflow gives up after ten, and drops the spans."""
    store, writer = Store(uri), applier_of(uri)
    experiment, created, busy = store.experiment_id("e"), list[int](), list[bool]()
    numbers = range(1, 31)
    engine: Any = cast("Any", _get_store)(uri).engine

    def create(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO trace_info") and not busy and len(created) < len(numbers):
            busy.append(True)
            created.append(numbers[len(created)])
            # On a thread of its own: on this one it would be a part of this writer's transaction.
            thread = threading.Thread(target=store.traces.start_trace, args=(experiment, trace_info(created[-1]), None))
            thread.start()
            thread.join()
            busy.clear()

    event.listen(engine, "before_cursor_execute", create)
    applied(writer, [span(number, 2) for number in numbers])
    event.remove(engine, "before_cursor_execute", create)
    assert len(created) == len(numbers)
    assert len(traces(uri)) == len(numbers)
