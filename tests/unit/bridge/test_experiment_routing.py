"""Where a span goes is read off the span alone, and comes to the same as where the program's own process puts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.mlflow.mapping import dispatch as mapping
from otel_dspy.mlflow.mapping.compile_aggregator import CompileAggregator
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.route import Destination, Experiment, RootKind, TraceContext
from otel_dspy.mlflow.records.span import SpanLink, SpanRecord
from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan
from otel_dspy.otlp_requests.span_route import OPTIONS, UnusableError, routed
from tests.support.mlflow_store_model import Model
from tests.support.optimization_strategies import optimizations

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.support.optimization_strategies import SpanInTrace

PLACE = Destination("sqlite:///m.db", Experiment(name="E"))


def span(**changes: Any) -> SpanRecord:
    """A root span."""
    recorded: dict[str, Any] = {
        "trace_id": "1" * 32, "span_id": "1" * 16, "parent_id": None, "name": "n", "kind": "INTERNAL",
        "start_ns": 1, "end_ns": 2, "attributes": {},
    }  # fmt: skip
    return SpanRecord(**recorded | changes)


def context(found: SpanRecord, *, local_root: bool = True) -> TraceContext:
    """Where it is placed."""
    return routed(ReceivedSpan(found, local_root=local_root), PLACE)[1].context


def _end_state(recorded: Iterable[SpanInTrace]) -> dict[str, Any]:
    model, aggregator = Model(), CompileAggregator()
    for span, where in recorded:
        record = decode.record_of(span)
        for operation in mapping.operations(record, OPTIONS, where, aggregator.add(record)):
            model.apply(operation)
    return model.state()


@settings(max_examples=150)
@given(optimizations(), st.randoms())
def test_in_any_order_and_often_it_ends_as_in_process(recorded: list[SpanInTrace], chance: Random) -> None:
    """Shuffled, with spans that come twice: runs, artifacts, traces and scores are those of the program's own process."""
    expected = _end_state(recorded)
    received = [(record, context(record, local_root=record.parent_id is None)) for record, _ in recorded]
    received += chance.sample(received, len(received) // 2)
    chance.shuffle(received)
    assert _end_state(received) == expected


def test_an_example_belongs_to_its_evaluation() -> None:
    """By its link; with its trial and compile, which it names itself."""
    attributes = {"dspy.operation.name": "example", "dspy.compile.id": "c", "dspy.trial.index": 3}
    assert context(span(attributes=attributes, links=(SpanLink("2" * 32, "2" * 16),))) == TraceContext(
        trace_id="1" * 32, root_id="1" * 16, kind=RootKind.EXAMPLE, compile_id="c", trial=3,
        evaluate=("2" * 32, "2" * 16),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "kind", "compile_id"),
    [
        ({"dspy.operation.name": "setup", "dspy.compile.id": "c"}, RootKind.COMPILE, "c"),
        ({"dspy.operation.name": "setup", "dspy.compile.id": "c", "dspy.compile.parent.id": "p"}, RootKind.CALL, None),
        ({"dspy.operation.name": "trial", "dspy.compile.id": "c"}, RootKind.CALL, None),
    ],
)
def test_only_an_outermost_setup_names_its_trace(
    attributes: dict[str, Any], kind: RootKind, compile_id: str | None
) -> None:
    """The trace of a compile has its run and name long before its root ends."""
    found = context(span(attributes=attributes, parent_id="3" * 16), local_root=False)
    assert (found.kind, found.compile_id) == (kind, compile_id)


@pytest.mark.parametrize(
    ("resource", "header", "by_service", "expected"),
    [
        ({"mlflow.experiment.name": "R", "service.name": "S"}, "H", True, "R"),
        ({"service.name": "S"}, "H", True, "H"),
        ({"service.name": "S"}, None, True, "S"),
        ({"service.name": "S"}, None, False, "D"),
        ({"mlflow.experiment.name": " \x00\n "}, "H", False, "H"),
        ({"mlflow.experiment.name": 7}, None, False, "D"),
        ({"mlflow.experiment.name": "a\nb\x1b[31m"}, None, False, "a b [31m"),
        ({"mlflow.experiment.name": "x" * 1000}, None, False, "x" * 250),
    ],
)
def test_the_experiment_is_the_first_that_is_named(
    resource: dict[str, Any], header: str | None, expected: str, *, by_service: bool
) -> None:
    """Resource, header, service if wanted, default; one line, not too long."""
    found = ExperimentRouter("sqlite:///m.db", "D", by_service=by_service).destination(resource, header)
    assert found.experiment == Experiment(name=expected)


@pytest.mark.parametrize(
    ("resource", "header", "expected"),
    [
        ({"mlflow.workspace.name": "r1"}, "h1", "r1"),
        ({"mlflow.workspace.name": ""}, "h1", "h1"),
        ({"service.name": "s1"}, "h1", "h1"),
        ({}, "", "d1"),
        ({}, None, "d1"),
        ({}, "x" * 63, "x" * 63),
    ],
)
def test_the_workspace_is_the_first_that_is_named(resource: dict[str, Any], header: str | None, expected: str) -> None:
    """Resource, header, default; never the service."""
    places = ExperimentRouter("sqlite:///m.db", "D", by_service=True, workspace="d1")
    assert places.destination(resource, None, header).workspace == expected


@pytest.mark.parametrize("name", ["Team", "a b", "a\nb", "-a", "a-", "x" * 64, "\u00e4b", 7, "a\n"])
def test_what_is_no_workspace_is_not_replaced_by_one(name: str | int) -> None:
    """Not by the default one, whose members may not be meant to see it."""
    places = ExperimentRouter("sqlite:///m.db", workspace="d1")
    with pytest.raises(UnusableError, match=r"mlflow\.workspace\.name is not a valid workspace name"):
        places.destination({"mlflow.workspace.name": name}, None, "h1")
    if isinstance(name, str):
        with pytest.raises(UnusableError, match="x-mlflow-workspace is not a valid workspace name"):
            places.destination({}, None, name)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("dspy.dataset.role", "../../etc/x", "_/_/etc/x".replace("/", "_")),
        ("dspy.dataset.role", ".hidden", "_hidden"),
        ("dspy.phase.name", "a/b\\c", "a_b_c"),
        ("dspy.evaluate.role", "x" * 1000, "x" * 128),
        ("dspy.phase.name", "propose instructions", "propose instructions"),
    ],
)
def test_what_becomes_a_files_name_leads_nowhere(name: str, value: str, expected: str) -> None:
    """No folder, no way up, no hidden file; the names of the contract stay as they are."""
    record, _ = routed(ReceivedSpan(span(attributes={name: value}), local_root=True), PLACE)
    assert record.attributes[name] == expected


@pytest.mark.parametrize("value", ["x' OR tags.a = 'b", "", "a b", "x" * 129, 7])
def test_what_is_searched_for_is_an_id(value: object) -> None:
    """An id that could mean something else in a search of MLflow's costs its span."""
    with pytest.raises(UnusableError, match=r"dspy.compile.id is not a valid id"):
        context(span(attributes={"dspy.compile.id": value}))


@pytest.mark.parametrize("value", [("good", "x' OR tags.a = 'b"), ("",), (7,), "good"])
def test_so_are_a_programs_parents(value: object) -> None:
    """Each of them, in a list; a list of ids is taken as it is."""
    with pytest.raises(UnusableError, match=r"dspy.program.parent.ids is not a list of valid ids"):
        context(span(attributes={"dspy.program.parent.ids": value}))
    for ids in ((), ("a", "b-1")):
        record, _ = routed(ReceivedSpan(span(attributes={"dspy.program.parent.ids": ids}), local_root=True), PLACE)
        assert record.attributes["dspy.program.parent.ids"] == ids
