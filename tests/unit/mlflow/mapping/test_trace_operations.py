"""Operations that write traces: each span's attributes, and the trace's info."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.mlflow.mapping.run_keys import CompileRun, EvaluateRun, UserRun
from otel_dspy.mlflow.mapping.trace_operations import Assessment, Expectation, LogSpan, LogTrace
from otel_dspy.mlflow.records.route import Options, RootKind, SpanUpdate, TraceContext, TraceUpdate, UserEvent
from otel_dspy.mlflow.records.span import SpanLink
from tests.support.mapped_spans import CID, CONTEXT, IDENTITY, only, span
from tests.support.mapped_spans import mapped as all_mapped

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span import SpanRecord

TRACE = "t" * 32
ALL = Options()
CALL = TraceContext(trace_id=TRACE, root_id="s", kind=RootKind.CALL)


def mapped(found: SpanRecord, context: TraceContext = CALL) -> list[Any]:
    """The operations for a span with all options on."""
    return all_mapped(found, context, ALL)


def test_all_that_the_root_of_a_call_becomes() -> None:
    """The span without a parent in its trace, and the trace with name, state, times, previews and tags."""
    given = {
        "dspy.module.type": "ChainOfThought",
        "dspy.module.input": '{"question": "1+1"}',
        "dspy.module.output": '{"answer": "2"}',
        "dspy.program.name": "Solver",
    }
    root = span("module", given, name="ChainOfThought.forward")
    assert mapped(root) == [
        LogSpan(
            key="s/span",
            trace_id=TRACE,
            span=root,
            parent_id=None,
            attributes={
                "dspy.operation.name": "module",
                "dspy.module.type": "ChainOfThought",
                "dspy.program.name": "Solver",
                "mlflow.spanType": "CHAIN",
                "mlflow.spanInputs": {"question": "1+1"},
                "mlflow.spanOutputs": {"answer": "2"},
            },
        ),
        LogTrace(
            key="s/trace",
            trace_id=TRACE,
            run=None,
            start_ms=1000,
            root_id="s",
            remote=True,
            early=False,
            name="ChainOfThought",
            state="OK",
            duration_ms=2000,
            request='{"question": "1+1"}',
            response='{"answer": "2"}',
            tags={"dspy.program.name": "Solver", "otel.trace_id": TRACE},
        ),
    ]


def test_a_root_that_failed_in_no_time() -> None:
    """ERROR; a clock that was set back gives no negative duration; a span without a module has its own name."""
    root = span("chat", {}, name="chat gpt", parent_id=None, error=True, end_ns=999_000_000)
    trace = only(mapped(root), LogTrace)
    assert (trace.state, trace.duration_ms, trace.name, trace.remote) == ("ERROR", 0, "chat gpt", False)
    assert (trace.request, trace.response) == (None, None)


@pytest.mark.parametrize(
    ("operation", "given", "name"),
    [
        ("compile", IDENTITY, "MIPROv2 Solver"),
        ("setup", IDENTITY, "MIPROv2 Solver"),
        ("evaluate", {"dspy.program.name": "Solver"}, "evaluate Solver"),
        ("example", {"dspy.program.name": "Solver"}, "Solver example"),
        ("example", {"dspy.program.name": "Solver", "dspy.example.index": 0}, "Solver example 0"),
        ("tool", {}, "tool"),
    ],
)
def test_names_of_traces(operation: str, given: dict[str, Any], name: str) -> None:
    """By the kind of the root."""
    assert only(mapped(span(operation, given)), LogTrace).name == name


@pytest.mark.parametrize(
    ("kind", "early"),
    [(RootKind.COMPILE, True), (RootKind.EVALUATE, True), (RootKind.EXAMPLE, False), (RootKind.CALL, False)],
)
def test_which_traces_are_written_before_their_end(kind: RootKind, early: bool) -> None:  # noqa: FBT001 - a table's column
    """Those of compiles and evaluations, whose info comes with their first spans."""
    assert only(mapped(span("module", {}), replace(CALL, kind=kind)), LogTrace).early is early


@pytest.mark.parametrize(
    ("initial", "result", "tag"),
    [
        (0.0, {"dspy.example.score": 1.0}, "improved"),
        (1.0, {"dspy.example.score": 0.5}, "worse"),
        (1.0, {"error.type": "ValueError"}, "worse"),
        (0.0, {"error.type": "ValueError"}, "same"),
        (0.5, {"dspy.example.score": 0.5}, "same"),
        (0.5, {"dspy.example.score": math.nan}, None),
        (0.5, {}, None),
        (None, {"dspy.example.score": 1.0}, None),
    ],
)
def test_a_trace_is_tagged_with_the_change_against_the_start(
    initial: float | None, result: dict[str, Any], tag: str | None
) -> None:
    """So that the traces of examples that flipped are found; an example that failed counts as 0."""
    before = {} if initial is None else {"dspy.example.initial_score": initial}
    tags = only(mapped(span("example", {**IDENTITY, **before, **result})), LogTrace).tags
    assert tags.get("otel_dspy.against_start") == tag


def test_a_candidate_is_compared_with_its_parent_on_the_same_minibatch() -> None:
    """By a tag of its own: the start may have scored other examples, or the same ones otherwise."""
    scores = {"dspy.example.score": 1.0, "dspy.example.parent_score": 0.0, "dspy.example.initial_score": 1.0}
    tags = only(mapped(span("example", {**IDENTITY, **scores})), LogTrace).tags
    assert (tags["otel_dspy.against_parent"], tags["otel_dspy.against_start"]) == ("improved", "same")


def test_the_tags_of_a_trace_name_what_it_belongs_to() -> None:
    """Compile, trial, example, program, optimizer and what the evaluation is for, as text."""
    given = {
        **IDENTITY,
        "dspy.evaluate.role": "validation",
        "dspy.trial.index": 4,
        "dspy.example.index": 0,
        "dspy.example.id": "x",
        "dspy.metric.name": "exact",
    }
    assert only(mapped(span("example", given)), LogTrace).tags == {
        "dspy.compile.id": CID,
        "dspy.trial.index": "4",
        "dspy.example.index": "0",
        "dspy.example.id": "x",
        "dspy.program.name": "Solver",
        "dspy.optimizer.name": "MIPROv2",
        "dspy.evaluate.role": "validation",
        "otel.trace_id": TRACE,
    }


def test_a_compiles_trace_has_its_run_from_the_setup_on() -> None:
    """Hours before the end. A nested compile's setup gives the outer trace no name; nor does any setup elsewhere."""
    setup = span("setup", IDENTITY)
    assert mapped(setup, CONTEXT)[-1] == LogTrace(
        key="s/trace", trace_id=TRACE, run=CompileRun(CID), start_ms=1000, name="MIPROv2 Solver"
    )
    nested = span("setup", {**IDENTITY, "dspy.compile.id": "inner"})
    for found, context in (
        (nested, CONTEXT),
        (setup, replace(CONTEXT, kind=RootKind.EVALUATE)),
        (span("trial", {"dspy.compile.id": CID, "dspy.trial.index": 0}), CONTEXT),
    ):
        assert [operation for operation in mapped(found, context) if isinstance(operation, LogTrace)] == []


def test_a_trace_that_is_mlflows_own_keeps_its_info() -> None:
    """MLflow writes it: the span alone is logged, below the span of MLflow's that is its parent."""
    (logged,) = mapped(span("module", {}), replace(CALL, joined=True, parent_id="outer"))
    assert isinstance(logged, LogSpan)
    assert logged.parent_id == "outer"


def _digest(text: str) -> str:
    return f"a-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


SCORED: dict[str, Any] = {
    "dspy.metric.name": "exact",
    "dspy.example.score": 0.5,
    "dspy.example.feedback": "close",
    f"dspy.example.objective.{'r' * 250}": 1.0,
}


def test_the_scores_of_an_example() -> None:
    """One assessment for the metric and one for each objective, with ids by trace, span and name."""
    long = f"exact/{'r' * 244}"
    context = replace(CALL, kind=RootKind.EXAMPLE, trace_id="other")
    assert only(mapped(span("example", SCORED), context), LogTrace).assessments == (
        Assessment(
            assessment_id=_digest("other/s/exact"), name="exact", value=0.5, rationale="close", span_id=None, time_ms=3000
        ),
        Assessment(
            assessment_id=_digest(f"other/s/{long}"), name=long, value=1.0, rationale="close", span_id=None, time_ms=3000
        ),
    )  # fmt: skip


def test_the_score_of_an_example_inside_a_trace() -> None:
    """It is an assessment of the span, in a trace whose name and state are others' to set."""
    nested = span("example", {"dspy.example.score": 0.5}, span_id="n")
    context = TraceContext(trace_id=TRACE, root_id="e", kind=RootKind.EVALUATE, evaluate=(TRACE, "e"))
    _, trace = mapped(nested, context)
    assert trace == LogTrace(
        key="n/trace",
        trace_id=TRACE,
        run=EvaluateRun(TRACE, "e"),
        start_ms=1000,
        assessments=(
            Assessment(
                assessment_id=_digest(f"{TRACE}/n/score"), name="score", value=0.5, rationale=None, span_id="n", time_ms=3000
            ),
        ),
    )  # fmt: skip
    assert len(mapped(span("example", {}, span_id="n"), context)) == 1


def test_the_labels_of_an_example() -> None:
    """One expectation for each, with ids by trace, span and name; images as short texts; none that MLflow rejects."""
    labels = {
        "answer": "Paris\x00",
        "right": True,
        "no": None,
        "count": 3,
        "widest": 2**53,
        "wider": 2**53 + 1,
        "price": 0.5,
        "nan": float("nan"),
        "half a character": "a\ud800b",
        "longest": "x" * 4000,
        "longer": "x" * 4001,
        "most": ["x" * 3996],
        "more": ["x" * 3997],
        "picture": "data:image/png;base64,AAAA",
        "half": {"of": 0.5},
    }
    example = span("example", {**SCORED, "dspy.example.labels": json.dumps(labels)})
    context = replace(CALL, kind=RootKind.EXAMPLE, trace_id="other")
    found = only(mapped(example, context), LogTrace).expectations
    assert [(one.name, one.value) for one in found] == [
        ("answer", "Paris"),
        ("right", True),
        ("count", 3),
        ("widest", 2**53),
        ("wider", "9007199254740993"),
        ("price", 0.5),
        ("nan", "nan"),
        ("half a character", "a?b"),
        ("longest", "x" * 4000),
        ("most", ["x" * 3996]),
        ("picture", "[image/png, 3 bytes]"),
        ("half", {"of": 0.5}),
    ]
    assert found[0] == Expectation(
        assessment_id=_digest("other/s/expected/answer"), name="answer", value="Paris", time_ms=3000
    )
    crowded = json.dumps({f"f{number}": number for number in range(30)})
    assert len(only(mapped(span("example", {"dspy.example.labels": crowded})), LogTrace).expectations) == 20


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"dspy.example.labels": "[1]"},
        {"dspy.example.labels": '{"cut'},
        {"dspy.example.labels": '{"answer": 1}', "dspy.example.repeated": True},
    ],
)
def test_examples_without_expectations(given: dict[str, Any]) -> None:
    """Labels that are absent or truncated, and the second run of an example."""
    assert only(mapped(span("example", given)), LogTrace).expectations == ()


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({"error.type": "ValueError"}, 0),
        ({"error.type": "ValueError", "dspy.metric.name": "exact"}, 1),
        ({"error.type": "ValueError", "dspy.metric.name": "exact", "dspy.example.repeated": True}, 0),
        ({"dspy.metric.name": "exact"}, 0),
    ],
)
def test_which_examples_have_an_assessment_without_a_score(given: dict[str, Any], count: int) -> None:
    """Those that failed, under their metric's name."""
    assert len(only(mapped(span("example", given)), LogTrace).assessments) == count


UPDATE = TraceUpdate(
    tags=(("dspy.program.name", "mine"), ("team", "red")),
    metadata=(("mlflow.trace.session", "session"),),
    request="asked",
    response="answered",
    state="ERROR",
    client_request_id="request",
    assessments=('{"name": "liked"}',),
)
MODULE = {"dspy.module.input": '{"q": 1}', "dspy.module.output": '{"a": 2}', "dspy.program.name": "Solver"}


def test_what_the_program_set_on_its_trace() -> None:
    """It takes precedence over what the span has."""
    trace = only(mapped(span("module", MODULE), replace(CALL, update=UPDATE, user_run="u")), LogTrace)
    assert trace == LogTrace(
        key="s/trace",
        trace_id=TRACE,
        run=UserRun("u"),
        start_ms=1000,
        root_id="s",
        remote=True,
        name="module",
        state="ERROR",
        duration_ms=2000,
        request="asked",
        response="answered",
        tags={"dspy.program.name": "mine", "team": "red", "otel.trace_id": TRACE},
        metadata={"mlflow.trace.session": "session"},
        client_request_id="request",
        users_assessments=('{"name": "liked"}',),
    )


def test_what_the_program_set_on_its_span() -> None:
    """Attributes, events, links and status; its inputs and outputs are the trace's previews, cut to 1000 characters."""
    event = UserEvent("seen", 5, "{}")
    update = SpanUpdate(
        attributes=(("mlflow.spanInputs", f'"{"i" * 1200}"'), ("mlflow.spanOutputs", "[1]"), ("own", "cut {")),
        events=(event,),
        links=(("a" * 32, "b" * 16),),
        failed=True,
        message="mine",
    )
    found = span("module", MODULE, links=(SpanLink("c" * 32, "d" * 16),))
    logged, trace = mapped(found, replace(CALL, span_update=update))
    links = (SpanLink("c" * 32, "d" * 16), SpanLink("a" * 32, "b" * 16))
    assert logged == LogSpan(
        key="s/span",
        trace_id=TRACE,
        span=replace(found, links=links, error=True, message="mine"),
        parent_id=None,
        attributes={
            "dspy.operation.name": "module",
            "dspy.program.name": "Solver",
            "mlflow.spanType": "CHAIN",
            "mlflow.spanInputs": "i" * 1200,
            "mlflow.spanOutputs": [1],
            "own": "cut {",
        },
        events=(event,),
    )
    assert (trace.state, trace.request, trace.response) == ("ERROR", '"' + "i" * 999, "[1]")


def test_an_error_of_the_call_itself_stays() -> None:
    """The program's status is that of a span that did not fail; links are added in either case."""
    failed = span("module", {}, error=True)
    link = SpanUpdate(links=(("a" * 32, "b" * 16),))
    for update, links in (
        (replace(link, failed=True, message="mine"), (SpanLink("a" * 32, "b" * 16),)),
        (SpanUpdate(failed=True, message="mine"), ()),
        (link, (SpanLink("a" * 32, "b" * 16),)),
    ):
        logged = only(mapped(failed, replace(CALL, span_update=update)), LogSpan)
        assert logged.span == replace(failed, links=links)
    fine = replace(failed, error=False, message=None)
    logged = only(mapped(fine, replace(CALL, span_update=link)), LogSpan)
    assert logged.span == replace(fine, links=(SpanLink("a" * 32, "b" * 16),))
