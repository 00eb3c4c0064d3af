"""Mapping of records to operations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from mlflow.utils import validation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode

from otel_dspy.mlflow.mapping import metrics, naming
from otel_dspy.mlflow.mapping.compile_aggregator import CompileAggregator
from otel_dspy.mlflow.mapping.operations import (
    EndRun,
    EnsureRun,
    LogMetrics,
    LogModel,
    LogParams,
    LogProgram,
    LogTable,
    LogText,
)
from otel_dspy.mlflow.mapping.run_keys import CompileRun, TrialRun
from otel_dspy.mlflow.mapping.runs.compiles import summary_operations
from otel_dspy.mlflow.mapping.trace_operations import AssessmentFailure, LogTrace
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.route import Options, RootKind, TraceContext
from otel_dspy.mlflow.records.sdk_span import span_record
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.records.span_records import CallRecord
from tests.support.mapped_spans import (
    CID,
    CONTEXT,
    IDENTITY,
    IDENTITY_ENDED,
    kinds,
    only,
    operations_of,
    record_of,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


@pytest.mark.parametrize(
    ("operation", "attributes"),
    [("compile", {}), ("setup", {}), ("trial", {"dspy.compile.id": CID}), ("trial", {"dspy.compile.id": CID,
     "dspy.trial.index": "3"}), ("dataset", {"dspy.dataset.role": "train"}), ("payload", {}), ("nonsense", {})],
)  # fmt: skip
def test_a_span_without_its_names_is_a_plain_call(operation: str, attributes: dict[str, Any]) -> None:
    """A damaged span affects only its own record: it is still part of its trace."""
    span = SpanRecord(trace_id="t", span_id="s", parent_id=None, name="n", kind="INTERNAL", start_ns=0, end_ns=1,
                      attributes={"dspy.operation.name": operation} | attributes)  # fmt: skip
    assert decode.record_of(span) == CallRecord(span=span)


def test_setup_opens_the_run_with_everything_that_is_known() -> None:
    """The run is ensured first, then parameters in a request of their own, then the initial program by its id."""
    inputs: dict[str, Any] = {"dspy.optimizer.parameter.k": [1, 2], "dspy.lm.model": "m", "dspy.lm.parameter.n": 1}
    operations = operations_of("setup", **IDENTITY, **inputs, dspy__program__id="p", dspy__program__state="{}")
    assert kinds(operations) == [
        "KeepProgram",
        "EnsureRun",
        "LogParams",
        "LogProgram",
        "DescribeRunning",
        "LogSpan",
        "LogTrace",
    ]
    run = only(operations, EnsureRun)
    assert (run.run, run.name, run.start_ms, run.parent) == (CompileRun(CID), "MIPROv2 Solver", 1000, None)
    assert only(operations, LogParams).params == {"k": "[1, 2]", "lm.n": "1", "lm.model": "m"}
    assert only(operations, LogProgram).path == "initial_model.json"


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "FINISHED"), ("ValueError", "FAILED"), ("KeyboardInterrupt", "KILLED"), ("SystemExit", "KILLED"),
     ("asyncio.exceptions.CancelledError", "KILLED"), ("trio.Cancelled", "KILLED"), ("GeneratorExit", "KILLED")],
)  # fmt: skip
def test_run_status_by_error(error: str | None, status: str) -> None:
    """The same for compiles, trials and stand-alone evaluations; a best model only of a compile that returned."""
    attributes: dict[str, Any] = {"error.type": error} if error else {}
    operations = operations_of("compile", **IDENTITY, dspy__program__id="p", error=error is not None, **attributes)
    assert only(operations, EndRun).status == status
    models = [operation for operation in operations if isinstance(operation, LogModel | LogProgram)]
    assert len(models) == (2 if error is None else 0)
    if error:
        assert only(operations, LogMetrics).tags["error.message"] == "it broke"
    alone = TraceContext(trace_id="t", root_id="root", kind=RootKind.EVALUATE)
    trial: dict[str, Any] = {"dspy.compile.id": CID, "dspy.trial.index": 0}
    ended = [
        only(operations_of("trial", error=error is not None, **trial, **attributes), EndRun),
        only(operations_of("evaluate", context=alone, error=error is not None, **attributes), EndRun),
    ]
    assert [end.status for end in ended] == [status, status]


def test_a_nested_compile_has_no_logged_model() -> None:
    """Its best program is an artifact of its own run; the LoggedModel is the outermost compile's."""
    operations = operations_of("compile", **IDENTITY, dspy__compile__parent__id="o", dspy__program__id="p")
    assert "LogModel" not in kinds(operations)
    assert only(operations, LogProgram).path == "best_model.json"


@pytest.mark.parametrize(
    ("scope", "curve"), [("full", "score/full"), ("minibatch", "score/minibatch"), (None, "score/full")]
)
def test_a_trials_points_on_the_compiles_curves(scope: str | None, curve: str) -> None:
    """Step is the trial's index, time the span's end; the totals are the compile's so far, not the trial's."""
    attributes: dict[str, Any] = {"dspy.trial.scope": scope} if scope else {}
    operations = operations_of("trial", dspy__compile__id=CID, dspy__trial__index=4, dspy__trial__score=60.0,
                      dspy__trial__best_score=70.0, dspy__usage__lm_calls=1, dspy__compile__usage__lm_calls=9,
                      **attributes)  # fmt: skip
    own, progress = [found for found in operations if isinstance(found, LogMetrics)]
    assert {point.name: point.value for point in own.metrics} == {curve: 60.0, "usage/lm_calls": 1.0}
    assert progress.run == CompileRun(CID)
    assert {(point.name, point.value, point.step, point.time_ms) for point in progress.metrics} == {
        (curve, 60.0, 4, 3000), ("score/best", 70.0, 4, 3000), ("usage/lm_calls", 9.0, 4, 3000),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("best", "expected"),
    [
        (1, {}),
        (0, {0: "true", 1: "false"}),
        (2, {1: "false", 2: "true"}),
        (None, {}),
    ],
)
def test_the_best_trial_is_flagged_at_the_end(best: int | None, expected: dict[int, str]) -> None:
    """No other trial keeps the tag that it had while it was the best so far."""
    aggregator = CompileAggregator()
    for index, is_best in enumerate([False, True, False]):
        aggregator.add(
            record_of(
                "trial",
                dspy__compile__id=CID,
                dspy__trial__index=index,
                dspy__trial__is_best=is_best,
                span_id=str(index),
            )
        )
    attributes: dict[str, Any] = {} if best is None else {"dspy.compile.best_trial.index": best}
    ended = aggregator.add(record_of("compile", **IDENTITY, **attributes))
    assert ended is not None
    found = {
        operation.run.index: operation.tags["dspy.trial.is_best"]
        for operation in summary_operations(ended, Options())
        if isinstance(operation, LogMetrics) and isinstance(operation.run, TrialRun)
    }
    assert found == expected


def test_an_examples_score_has_the_same_id_every_time() -> None:
    """Logging it twice creates one assessment."""
    context = TraceContext(trace_id="t", root_id="s", kind=RootKind.EXAMPLE, compile_id=CID, trial=0)
    first, again = (
        only(operations_of("example", context=context, dspy__example__score=0.5, dspy__metric__name="m"), LogTrace)
        for _ in range(2)
    )
    assert first.assessments == again.assessments
    assert (first.assessments[0].name, first.assessments[0].value) == ("m", 0.5)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, [(None, AssessmentFailure("ValueError", "no verdict"))]),
        # SIMBA asks the metric also of a program that raised.
        ({"dspy.example.score": 0.0}, [(0.0, AssessmentFailure("ValueError", "no verdict"))]),
        # Another run of the example counts.
        ({"dspy.example.repeated": True}, []),
    ],
)
def test_an_example_that_failed_is_assessed_with_its_error(attributes: dict[str, Any], expected: list[object]) -> None:
    """The assessment has the metric's name and no score, unless there is one."""
    context = TraceContext(trace_id="t", root_id="s", kind=RootKind.EXAMPLE, compile_id=CID, trial=0)
    failure: dict[str, Any] = {"error.type": "ValueError", "dspy.example.error.message": "no verdict", **attributes}
    info = only(operations_of("example", context=context, error=True, dspy__metric__name="m", **failure), LogTrace)
    assert [(assessment.value, assessment.error) for assessment in info.assessments] == expected
    assert {assessment.name for assessment in info.assessments} <= {"m"}


FAILURES: dict[str, Any] = {
    "dspy.failures.examples": 2, "dspy.failures.first.type": "ValueError", "dspy.failures.first.message": "no verdict"
}  # fmt: skip


@pytest.mark.parametrize("status", ["FINISHED", "FAILED"])
@pytest.mark.parametrize("operation", ["compile", "trial", "evaluate"])
def test_examples_that_failed_are_seen_on_runs(operation: str, status: str) -> None:
    """Their number and the first error; a run in which no example succeeded has failed, with that error."""
    context, every = CONTEXT, status == "FAILED"
    attributes: dict[str, Any] = {**FAILURES, "dspy.failures.all": every, "dspy.evaluate.num_errors": 2}
    if operation == "evaluate":
        context = TraceContext(trace_id="t", root_id="s", kind=RootKind.EVALUATE)
    else:
        attributes |= {"dspy.trial.index": 0, **IDENTITY}
    operations = operations_of(operation, context=context, **attributes)
    assert only(operations, EndRun).status == status
    points = [point for found in operations if isinstance(found, LogMetrics) for point in found.metrics]
    assert [point.value for point in points if point.name == "score/errors"] == [2.0]
    tags = {
        name: value
        for found in operations
        if isinstance(found, EnsureRun | LogMetrics)
        for name, value in found.tags.items()
        if name.startswith(("dspy.failures", "error."))
    }
    first = {"dspy.failures.first.type": "ValueError", "dspy.failures.first.message": "no verdict"}
    assert tags == (first | {"error.type": "ValueError", "error.message": "no verdict"} if every else first)


@pytest.mark.parametrize(("score", "value"), [(float("nan"), "nan"), (float("-inf"), "-inf"), (1, 1.0)])
def test_a_score_that_json_cannot_hold_is_recorded_as_text(score: float, value: float | str) -> None:
    """A server rejects NaN, together with the trace's name, run and tags."""
    context = TraceContext(trace_id="t", root_id="s", kind=RootKind.EXAMPLE, compile_id=CID, trial=0)
    info = only(operations_of("example", context=context, dspy__example__score=score), LogTrace)
    assert [assessment.value for assessment in info.assessments] == [value]


def test_the_summary_is_json_whatever_a_metric_gave() -> None:
    """NaN, which JSON hasn't, is null."""
    compile_ended = operations_of("compile", **IDENTITY_ENDED, dspy__compile__best_score=float("nan"))
    [text] = [found.text for found in compile_ended if isinstance(found, LogText) and "summary" in found.path]

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(text, parse_constant=refuse)["best_score"] is None


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (["right/", "/x", "a//b", "..", "."], ["right", "x", "a/b", "_", "__2"]),
        (["F1(macro)", "F1[macro]", "F1_macro_"], ["F1_macro_", "F1_macro__2", "F1_macro__3"]),
        (["x" * 300, "x" * 400], ["x" * 243, "x" * 241 + "_2"]),
    ],
)
def test_every_measure_has_a_key_of_its_own(names: list[str], keys: list[str]) -> None:
    """Keys are valid for MLflow; of two names with the same key the second gets a number."""
    assert list(metrics.measures(dict.fromkeys(names, 0.5))) == [f"search/{key}" for key in keys]
    mlflow: Any = validation  # whose functions are annotated in part only
    for key in keys:
        mlflow._validate_metric_name(key)


def test_no_nul_is_recorded() -> None:
    """PostgreSQL would reject the whole request; in a span's name, attributes and error."""
    provider = TracerProvider(resource=Resource({"service.name": "a\0"}))
    span = provider.get_tracer("t").start_span("b\0", attributes={"c": "d\0", "e": ["f\0", "g"], "h": 1})
    span.set_status(Status(StatusCode.ERROR, "i\0"))
    span.end()
    record = span_record(cast("ReadableSpan", span))
    assert (record.name, record.message, record.resource["service.name"]) == ("b", "i", "a")
    assert record.attributes == {"c": "d", "e": ("f", "g"), "h": 1}


def test_results_become_a_table_whatever_their_rows_lack() -> None:
    """Without content there are scores and errors only; a row that is no object is left out."""
    rows = [{"index": 0, "score": 1.0}, "what?", {"index": 1, "score": None, "error": "ValueError"}]
    results = json.dumps(rows)
    operations = operations_of("evaluate", dspy__compile__id=CID, dspy__trial__index=0, dspy__evaluate__results=results)
    table = only(operations, LogTable)
    assert (table.columns, table.rows) == (["index", "score", "error"], [[0, 1.0, None], [1, None, "ValueError"]])


@pytest.mark.parametrize("value", [True, False, 2, 1.0, 1e-7, 1e22, float("nan"), float("inf"), "true", "é"])
def test_param_value_is_written_as_mlflow_does(value: Any) -> None:
    """`mlflow.log_param` writes `str()` of it."""
    assert naming.params({"p": value}) == {"p": str(cast("object", value))}


def test_a_list_is_written_as_json() -> None:
    """It can be parsed whatever its texts hold. A list attribute is read back as a tuple."""
    assert naming.params({"p": ("it's", "b"), "q": ()}) == {"p": '["it\'s", "b"]', "q": "[]"}


@pytest.mark.parametrize(
    ("index", "path"), [(0, "bootstrap_table.json"), (1, "bootstrap_table_2.json"), (2, "bootstrap_table_3.json")]
)
def test_each_phase_of_a_name_has_a_table_of_its_own(index: int, path: str) -> None:
    """The first is unnumbered, the second is number 2, in the run of the compile."""
    operations = operations_of("evaluate", dspy__compile__id=CID, dspy__phase__name="bootstrap", dspy__phase__index=index,
                      dspy__evaluate__results='[{"index": 0, "score": 1.0}]')  # fmt: skip
    table = only(operations, LogTable)
    assert (table.run, table.path) == (CompileRun(CID), path)


def test_a_phase_records_its_candidates() -> None:
    """A phase's candidates are artifacts of the compile's run, one file for each kind; no run, no artifact.

    JSON is indented; a truncated text is logged as it is.
    """
    made: dict[str, Any] = {"dspy.compile.id": CID, "dspy.phase.name": "induce"}
    texts: dict[str, Any] = {"dspy.phase.instructions": '{"solve": ["größer"]}', "dspy.phase.demos": '{"cut'}
    operations = operations_of("phase", options=Options(log_traces=False), **made, **texts)
    assert operations == [
        LogText(key="s/candidates/instructions", run=CompileRun(CID), path="candidates/instructions.json",
                text='{\n  "solve": [\n    "größer"\n  ]\n}'),
        LogText(key="s/candidates/demos", run=CompileRun(CID), path="candidates/demos.json",
                text='{"cut'),
    ]  # fmt: skip
    assert operations_of("phase", options=Options(log_traces=False), **made) == []
    assert operations_of("phase", options=Options(log_traces=False, log_compiles=False), **made, **texts) == []
