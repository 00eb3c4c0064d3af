"""Whole routes: the span as it is written, its destination and the trace that it belongs to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from otel_dspy.bridge.experiment_routing import ExperimentRouter, experiment_name
from otel_dspy.mlflow.records.route import Destination, Experiment, Options, RootKind, Route, TraceContext
from otel_dspy.mlflow.records.span import SpanLink, SpanRecord
from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan
from otel_dspy.otlp_requests.span_route import UnusableError, is_ours, routed

TRACE, SPAN = "1" * 32, "2" * 16
PLACE = Destination("sqlite:///m.db", Experiment(name="E"), "w1")


def _span(attributes: dict[str, Any], **changes: Any) -> SpanRecord:
    given: dict[str, Any] = {
        "trace_id": TRACE, "span_id": SPAN, "parent_id": None, "name": "n", "kind": "INTERNAL", "start_ns": 1,
        "end_ns": 2, "attributes": attributes,
    }  # fmt: skip
    return SpanRecord(**given | changes)


def _context(attributes: dict[str, Any], *, local_root: bool = True, **changes: Any) -> TraceContext:
    return routed(ReceivedSpan(_span(attributes, **changes), local_root=local_root), PLACE)[1].context


def test_a_span_and_its_route() -> None:
    """The span as it was received, but with a name of one line and without the Collector's routing attribute."""
    attributes = {"dspy.operation.name": "module", "dspy.phase.name": "a/b", "dspy.compile.id": "c" * 128}
    received = _span(
        attributes,
        name="a\nb\x7f" + "x" * 300,
        resource={"service.name": "s", "otel_dspy.route": "bridge-1"},
        scope="otel_dspy",
        error=True,
        message="it broke",
        links=(SpanLink("3" * 32, "4" * 16),),
    )
    record, route = routed(ReceivedSpan(received, local_root=True), PLACE)
    assert record == replace(
        received,
        name="a b " + "x" * 246,
        attributes={**attributes, "dspy.phase.name": "a_b"},
        resource={"service.name": "s"},
    )
    assert route == Route(PLACE, TraceContext(trace_id=TRACE, root_id=SPAN, kind=RootKind.CALL), Options())


@pytest.mark.parametrize(
    ("attributes", "links", "expected"),
    [
        ({"dspy.operation.name": "compile", "dspy.compile.id": "c"}, (), {"kind": RootKind.COMPILE, "compile_id": "c"}),
        (
            {
                "dspy.operation.name": "example",
                "dspy.compile.id": "c",
                "dspy.trial.index": 0,
                "dspy.evaluate.within_example": True,
            },
            (SpanLink("3" * 32, "4" * 16),),
            {"kind": RootKind.EXAMPLE, "compile_id": "c"},
        ),
        (
            {"dspy.operation.name": "evaluate", "dspy.compile.id": "c", "dspy.trial.index": 0},
            (SpanLink("3" * 32, "4" * 16),),
            {"kind": RootKind.EVALUATE, "compile_id": "c", "trial": 0, "evaluate": (TRACE, SPAN)},
        ),
        (
            {"dspy.operation.name": "example", "dspy.trial.index": True},
            (SpanLink("3" * 32, "4" * 16), SpanLink("5" * 32, "6" * 16)),
            {"kind": RootKind.EXAMPLE, "evaluate": ("3" * 32, "4" * 16)},
        ),
        ({"dspy.operation.name": "example", "dspy.trial.index": "3"}, (), {"kind": RootKind.EXAMPLE}),
        ({"dspy.operation.name": "module", "dspy.compile.id": "c"}, (), {"kind": RootKind.CALL}),
        ({}, (), {"kind": RootKind.CALL}),
    ],
)
def test_the_trace_of_a_root(attributes: dict[str, Any], links: Any, expected: dict[str, Any]) -> None:
    """By its operation, its link and what it names itself; a call belongs to no compile."""
    assert _context(attributes, links=links) == TraceContext(trace_id=TRACE, root_id=SPAN, **expected)


def test_the_trace_of_a_span_below_a_root() -> None:
    """It describes nothing but itself, except an outermost setup."""
    below = TraceContext(trace_id=TRACE, root_id="", kind=RootKind.CALL)
    setup = {"dspy.operation.name": "setup", "dspy.compile.id": "c"}
    assert _context({"dspy.operation.name": "compile", "dspy.compile.id": "c"}, local_root=False) == below
    assert _context({**setup, "dspy.compile.parent.id": "o"}, local_root=False) == below
    assert _context(setup, local_root=False) == replace(below, kind=RootKind.COMPILE, compile_id="c")


@pytest.mark.parametrize(
    "name",
    [
        "dspy.compile.id",
        "dspy.compile.parent.id",
        "dspy.program.id",
        "dspy.dataset.id",
        "dspy.payload.attribute",
    ],
)
def test_each_attribute_that_is_searched_for_is_an_id(name: str) -> None:
    """At most 128 characters, ASCII letters and digits, `_`, `.`, `:` and `-`; anything else costs the span."""
    _context({name: "aZ0_.:-" + "x" * 121})
    for value in ("x" * 129, "é", "a'b", 7):
        with pytest.raises(UnusableError, match=f"^{name} is not a valid id$"):
            _context({name: value})


@pytest.mark.parametrize(
    ("scope", "attributes", "ours"),
    [
        ("otel_dspy", {}, True),
        ("other", {"dspy.operation.name": "module"}, True),
        ("other", {"gen_ai.operation.name": "chat"}, False),
        ("OTEL_DSPY", {}, False),
    ],
)
def test_which_spans_are_ours(scope: str, attributes: dict[str, Any], *, ours: bool) -> None:
    """By the scope, or, where a Collector has dropped that, by the operation."""
    assert is_ours(_span(attributes, scope=scope)) is ours


def test_a_destination() -> None:
    """Tracking URI, experiment and workspace; without names those that the bridge was started with."""
    places = ExperimentRouter("sqlite:///m.db", "D", workspace="d1")
    assert places.destination({}, None) == Destination("sqlite:///m.db", Experiment(name="D"), "d1")
    named = {"mlflow.experiment.name": " E ", "mlflow.workspace.name": "w1"}
    assert places.destination(named, "H", "h1") == PLACE
    assert ExperimentRouter("uri").destination({}, None, "") == Destination("uri", Experiment(name="Default"))


@pytest.mark.parametrize(
    ("name", "clean"),
    [(" a\tb ", "a b"), ("\x00\x1f", ""), ("x" * 249 + "  y", "x" * 249), ("x" * 250, "x" * 250), ("\x85a", "a")],
)
def test_names_of_experiments(name: str, clean: str) -> None:
    """One line of at most 250 characters without spaces around it."""
    assert experiment_name(name) == clean
