"""Spans of metrics and attempts, which exist only for the calls inside them, and of compiles inside a call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode, get_current_span, set_span_in_context

from otel_dspy.telemetry.call_context import CallContext, call_context_in, inside
from otel_dspy.telemetry.spans.attempt import AttemptGate
from otel_dspy.telemetry.spans.compile import CompileInfo
from otel_dspy.telemetry.spans.compile_in_call import close_compile_in_call, open_compile_in_call
from otel_dspy.telemetry.spans.metric import MetricGate
from otel_dspy.telemetry.tallies.usage_tally import CallUsage, UsageTally
from tests.unit.telemetry.spans.emitted import Emitted, current, identity

if TYPE_CHECKING:
    from opentelemetry.trace import Span


# The test's own span stands for the example or the module around them.
pytestmark = pytest.mark.contract_gaps("no such span in the contract")
of_a_metric = pytest.mark.contract_gaps("no such span in the contract", "not one of span.dspy.example")


class Gated:
    """A span with the context of calls directly below it."""

    def __init__(self, emitted: Emitted) -> None:
        self.span: Span = emitted.telemetry.tracer.start_span("outer")
        self.context = inside(self.span, CallContext(predictor="answer"), Context({"own": 1}))


def _parent(context: Context) -> int | None:
    """Id of the span that a call in this context would have as its parent."""
    return identity(get_current_span(context))


@of_a_metric
def test_a_metric_has_one_span_for_all_its_calls() -> None:
    """From the end of the program to the end of the example; the program's call and a user's span keep their parent."""
    emitted, program, judge = Emitted(), object(), object()
    gated = Gated(emitted)
    gate = MetricGate(emitted.telemetry, "exact", gated.span, id(program))
    assert gate.enter(gated.context, program) is gated.context
    gate.leave(program, None)
    users = set_span_in_context(emitted.telemetry.tracer.start_span("user"), gated.context)
    assert gate.enter(users, judge) is users
    first, second = gate.enter(gated.context, judge), gate.enter(gated.context, judge)
    assert (_parent(first), _parent(second)) == (3, 3)
    assert (call_context_in(first), first["own"]) == (CallContext(predictor="answer"), 1)
    gate.close(ValueError("no verdict"))
    gated.span.end()
    assert emitted.tree() == [(1, None, "outer"), (3, 1, "metric exact")]
    assert emitted.attributes(3) == {
        "dspy.operation.name": "metric", "dspy.metric.name": "exact", "error.type": "ValueError"
    }  # fmt: skip
    assert emitted.spans[3].status.description == "no verdict"


@of_a_metric
def test_a_metric_that_raises_without_a_call_has_a_span() -> None:
    """With its error; what the program raised, or a metric that made no call and returned, gives none."""
    for program_error, error, names in (
        (None, ValueError("x"), ["outer", "metric exact"]),
        (ValueError("x"), ValueError("x"), ["outer"]),
        (None, None, ["outer"]),
    ):
        emitted, program = Emitted(), object()
        gated = Gated(emitted)
        gate = MetricGate(emitted.telemetry, "exact", gated.span, id(program))
        gate.leave(object(), None)
        gate.leave(program, program_error)
        gate.close(error)
        gated.span.end()
        assert [name for _, _, name in emitted.tree()] == names


@of_a_metric
def test_a_metric_begins_where_it_is_called() -> None:
    """Where the program's calls are not instrumented: calls before belong to the program."""
    emitted, called = Emitted(), object()
    gated = Gated(emitted)
    gate = MetricGate(emitted.telemetry, "exact", gated.span, None)
    assert gate.enter(gated.context, called) is gated.context
    gate.begin()
    began = time.time_ns()
    assert _parent(gate.enter(gated.context, called)) == 2
    gate.close(None)
    gated.span.end()
    assert (emitted.spans[2].start_time or 0) <= began
    assert emitted.spans[2].status.status_code is StatusCode.UNSET


def test_each_call_that_begins_an_attempt_has_a_span() -> None:
    """Until the next one begins; calls of the reward belong to the attempt that it rewards."""
    emitted, inner, advice = Emitted(), object(), object()
    gated = Gated(emitted)
    gate = AttemptGate(emitted.telemetry, "BestOfN", 7, lambda called: called is inner)
    assert gate.key == 7
    assert gate.enter(gated.context, advice) is gated.context
    first = gate.enter(gated.context, inner)
    again = gate.enter(gated.context, inner)
    assert (_parent(first), _parent(again)) == (2, 2)
    assert (call_context_in(first), first["own"]) == (CallContext(predictor="answer"), 1)
    gate.leave(inner, None)
    gate.rewarded(0.5)
    assert _parent(gate.enter(gated.context, advice)) == 2
    users = set_span_in_context(emitted.telemetry.tracer.start_span("user"), gated.context)
    assert gate.enter(users, inner) is users
    gate.enter(gated.context, inner)
    gate.leave(inner, ValueError("it broke"))
    gate.leave(inner, KeyError("later"))
    gate.enter(gated.context, inner)
    gate.rewarded(None)
    gate.close(RuntimeError("after the reward"))
    gated.span.end()
    attempt = {"dspy.operation.name": "attempt", "dspy.module.type": "BestOfN"}
    assert emitted.tree() == [
        (1, None, "outer"),
        (2, 1, "attempt BestOfN"),
        (4, 1, "attempt BestOfN"),
        (5, 1, "attempt BestOfN"),
    ]
    assert emitted.attributes(2) == {**attempt, "dspy.attempt.index": 0, "dspy.attempt.reward": 0.5}
    assert emitted.attributes(4) == {**attempt, "dspy.attempt.index": 1, "error.type": "ValueError"}
    assert emitted.attributes(5) == {**attempt, "dspy.attempt.index": 2}


def test_an_attempt_that_is_open_at_the_end_has_the_error() -> None:
    """It was raised inside of it; without an attempt nothing is recorded."""
    emitted, inner = Emitted(), object()
    gated = Gated(emitted)
    gate = AttemptGate(emitted.telemetry, "Refine", 7, lambda called: called is inner)
    gate.rewarded(1.0)
    gate.failed(ValueError("x"))
    gate.enter(gated.context, inner)
    gate.close(ValueError("it broke"))
    gate.close(None)
    gated.span.end()
    assert emitted.attributes(2) == {
        "dspy.operation.name": "attempt", "dspy.module.type": "Refine", "dspy.attempt.index": 0,
        "error.type": "ValueError",
    }  # fmt: skip
    assert emitted.spans[2].status.description == "it broke"


def test_a_compile_inside_a_call() -> None:
    """A span with its own usage, which the call around it counts too; what is inside belongs to no compile."""
    emitted = Emitted()
    gated = Gated(emitted)
    tally = UsageTally()
    paths = mock.Mock()
    place = CallContext(usage=tally, module_paths=paths, predictor="answer", role="judge", program=3)
    info = CompileInfo(key=1, optimizer_name="Opt", program_name="Solver", metric_name="exact")
    for error in (None, ValueError("no verdict")):
        with current(inside(gated.span, place, gated.context)):
            compiling = open_compile_in_call(emitted.telemetry, info)
        inner = call_context_in(compiling.context)
        assert inner == place._replace(usage=compiling.usage)
        assert compiling.context["own"] == 1
        assert _parent(compiling.context) == identity(compiling.span)
        close_compile_in_call(emitted.telemetry, compiling, error)
    compiling.usage.add(CallUsage(), "task", "gpt")
    assert tally.attributes()["dspy.usage.late_calls"] == 1
    gated.span.end()
    first, second = emitted.attributes(2), emitted.attributes(3)
    for found in (first, second):
        assert len(found.pop("dspy.compile.id")) == 32
    assert first == {
        "dspy.operation.name": "compile",
        "dspy.compile.in_call": True,
        "dspy.optimizer.name": "Opt",
        "dspy.program.name": "Solver",
        "dspy.metric.name": "exact",
        "dspy.compile.trial.count": 0,
        "dspy.usage.input_tokens": 0,
        "dspy.usage.output_tokens": 0,
        "dspy.usage.lm_calls": 0,
        "dspy.usage.cache_hits": 0,
        "dspy.usage.cost": 0.0,
    }
    assert second == {**first, "error.type": "ValueError"}
    assert emitted.tree() == [(1, None, "outer"), (2, 1, "compile Opt"), (3, 1, "compile Opt")]
