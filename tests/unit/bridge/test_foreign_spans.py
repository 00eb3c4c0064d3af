"""Spans of other libraries go where a program's trace is, whichever comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.bridge.foreign_spans import ProgramTraces
from otel_dspy.mlflow.records.route import Destination, Experiment, RootKind, Route, TraceContext
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.otlp_requests.span_route import OPTIONS

if TYPE_CHECKING:
    from otel_dspy.bridge.foreign_spans import RoutedSpan


def span(trace: int, number: int) -> RoutedSpan:
    """A span of a trace."""
    record = SpanRecord(
        trace_id=f"{trace:032x}", span_id=f"{number:016x}", parent_id=None, name="n", kind="INTERNAL", start_ns=1,
        end_ns=2, attributes={},
    )  # fmt: skip
    context = TraceContext(trace_id=record.trace_id, root_id="", kind=RootKind.CALL)
    return record, Route(Destination("u", Experiment(name="E")), context, OPTIONS)


def test_before_and_after() -> None:
    """What came before waits for the program's span and follows it; what comes after goes at once; others never."""
    traces = ProgramTraces()
    early, ours, late, elsewhere = span(1, 1), span(1, 2), span(1, 3), span(2, 4)
    assert traces.foreign(early) == []
    assert traces.foreign(elsewhere) == []
    assert traces.ours(ours) == [ours, early]
    assert traces.foreign(late) == [late]
    assert traces.ignored == 0


def test_the_wait_has_bounds() -> None:
    """Too many, and the oldest trace is ignored; too long, and all that wait are."""
    traces = ProgramTraces(max_waiting=3, patience=0)
    for number in range(4):
        traces.foreign(span(number // 2, number))
    assert traces.ignored == 2
    assert traces.ours(span(0, 9)) == [span(0, 9)]
    traces.drop_expired()
    assert traces.ignored == 4
    assert traces.ours(span(1, 9)) == [span(1, 9)]
