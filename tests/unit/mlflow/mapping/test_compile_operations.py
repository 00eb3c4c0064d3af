"""Operations of a whole compile: its inputs, its result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from otel_dspy.mlflow.mapping.operations import (
    DescribeStopped,
    EndRun,
    EnsureRun,
    ForgetPrograms,
    KeepProgram,
    LogMetrics,
    LogModel,
    LogParams,
    LogProgram,
    LogReport,
    LogText,
    MetricPoint,
)
from otel_dspy.mlflow.mapping.run_keys import CompileRun, TrialRun
from otel_dspy.mlflow.records.route import Options, RootKind, TraceContext
from tests.support.mapped_spans import CID, IDENTITY, mapped, only, span

RUN = CompileRun(CID)
TRACE = "t" * 32
NO_RUNS = Options(log_traces=False, log_compiles=False)
ALONE = TraceContext(trace_id=TRACE, root_id="e", kind=RootKind.EVALUATE, evaluate=(TRACE, "e"))
NESTED: dict[str, Any] = {**IDENTITY, "dspy.metric.name": "exact", "dspy.compile.parent.id": "outer"}
IDENTITY_TAGS = {
    "dspy.compile.id": CID,
    "dspy.compile.parent.id": "outer",
    "dspy.optimizer.name": "MIPROv2",
    "dspy.program.name": "Solver",
    "dspy.metric.name": "exact",
    "otel.trace_id": TRACE,
}
FAILED: dict[str, Any] = {
    "dspy.failures.examples": 3,
    "dspy.failures.first.type": "ValueError",
    "dspy.failures.first.message": "no verdict",
}
RESULT: dict[str, Any] = {
    **IDENTITY,
    **FAILED,
    "dspy.program.id": "p",
    "dspy.program.state": "{}",
    "dspy.optimizer.parameter.auto": "light",
    "dspy.usage.lm_calls": 9,
    "dspy.compile.initial_score": 40.0,
    "dspy.compile.best_score": 70.0,
    "dspy.compile.best_trial.index": 2,
    "dspy.compile.trial.count": 4,
    "dspy.compile.step_failed": True,
    "dspy.compile.resumed.from": "/logs/run",
    "dspy.compile.resumed.iteration": 5,
    "dspy.compile.resumed.differences": ("valset",),
}


def test_all_that_a_setup_span_becomes() -> None:
    """State, run with identity, parameters, forecast, initial program; the keys are the span's."""
    inputs: dict[str, Any] = {
        "dspy.optimizer.parameter.auto": "light",
        "dspy.lm.model": "m",
        "dspy.lm.parameter.n": 1,
        "dspy.forecast.lm_calls.low": 92,
        "dspy.forecast.role.task.lm_calls.low": 90,
        "dspy.program.id": "p",
        "dspy.program.state": "{}",
    }
    setup = span("setup", {**NESTED, **inputs})
    assert mapped(setup) == [
        KeepProgram(key="s/program", scope=CID, program_id="p", state="{}", initial=True),
        EnsureRun(
            key="s/run",
            run=RUN,
            name="MIPROv2 Solver",
            start_ms=1000,
            parent=CompileRun("outer"),
            tags=IDENTITY_TAGS | {"otel.span_id": "root"},
        ),
        LogParams(
            key="s/params",
            run=RUN,
            params={
                "auto": "light",
                "lm.n": "1",
                "lm.model": "m",
                "forecast.lm_calls.low": "92",
                "forecast.role.task.lm_calls.low": "90",
            },
        ),
        LogProgram(key="s/initial_model", run=RUN, scope=CID, program_id="p", path="initial_model.json"),
    ]
    assert mapped(setup, options=NO_RUNS) == [
        KeepProgram(key="s/program", scope=CID, program_id="p", state="{}", initial=True)
    ]
    (alone,) = mapped(replace(setup, parent_id=None, attributes={"dspy.operation.name": "setup", **NESTED}))
    assert alone == EnsureRun(
        key="s/run",
        run=RUN,
        name="MIPROv2 Solver",
        start_ms=1000,
        parent=CompileRun("outer"),
        tags=IDENTITY_TAGS | {"otel.span_id": "s"},
    )


@pytest.mark.parametrize("missing", ["dspy.program.id", "dspy.program.state"])
@pytest.mark.parametrize(
    ("operation", "attributes"),
    [
        ("setup", IDENTITY),
        ("compile", IDENTITY),
        ("trial", {"dspy.compile.id": CID, "dspy.trial.index": 0}),
        ("evaluate", {"dspy.compile.id": CID}),
        ("evaluate", {}),
    ],
)
def test_no_state_is_kept_without_an_id_or_without_a_text(
    operation: str, attributes: dict[str, Any], missing: str
) -> None:
    """A program that is named again without its state, and a state that nothing can reference."""
    program = {"dspy.program.id": "p", "dspy.program.state": "{}"}
    found = span(operation, attributes | program)
    context = ALONE if not attributes else TraceContext(trace_id=TRACE, root_id="root", kind=RootKind.COMPILE)
    assert KeepProgram in [type(operation) for operation in mapped(found, context)]
    del program[missing]
    found = span(operation, attributes | program)
    assert KeepProgram not in [type(operation) for operation in mapped(found, context)]


def test_all_that_a_compile_span_becomes() -> None:
    """Totals one step after the last trial, summary, tree, best program, model linked to the last trial, the end."""
    done = span("compile", {**RESULT, "dspy.metric.name": "exact"}, parent_id=None)
    found = mapped(done)
    summary = only([operation for operation in found if "summary" in operation.key], LogText)
    assert found == [
        KeepProgram(key="s/program", scope=CID, program_id="p", state="{}"),
        EnsureRun(
            key="s/run",
            run=RUN,
            name="MIPROv2 Solver",
            start_ms=1000,
            parent=None,
            tags={
                "dspy.compile.id": CID,
                "dspy.optimizer.name": "MIPROv2",
                "dspy.program.name": "Solver",
                "dspy.metric.name": "exact",
                "otel.trace_id": TRACE,
                "otel.span_id": "s",
            },
        ),
        LogParams(key="s/params", run=RUN, params={"auto": "light"}),
        LogMetrics(
            key="s/totals",
            run=RUN,
            metrics=(
                MetricPoint("score/best", 70.0, 4, 3000),
                MetricPoint("score/initial", 40.0, 0, 3000),
                MetricPoint("score/errors", 3.0, 4, 3000),
                MetricPoint("usage/lm_calls", 9.0, 4, 3000),
            ),
            tags={
                "dspy.program.id": "p",
                "dspy.compile.best_trial.index": "2",
                "dspy.compile.step_failed": "true",
                "dspy.compile.resumed.from": "/logs/run",
                "dspy.compile.resumed.iteration": "5",
                "dspy.compile.resumed.differences": '["valset"]',
                "dspy.failures.first.type": "ValueError",
                "dspy.failures.first.message": "no verdict",
            },
        ),
        LogText(key="s/summary/0", run=RUN, path="optimization_summary.json", text=summary.text),
        LogReport(
            key="s/report/0", run=RUN, description="**MIPROv2 on Solver finished after 4 trials: best 70.000, trial 2**"
        ),
        LogProgram(key="s/best_model", run=RUN, scope=CID, program_id="p", path="best_model.json"),
        LogModel(
            key="s/model",
            run=RUN,
            also=TrialRun(CID, 3, RUN),
            name="MIPROv2-Solver",
            scope=CID,
            program_id="p",
            path="best_model.json",
            tags={"dspy.compile.id": CID, "dspy.program.id": "p"},
            score=MetricPoint("score/best", 70.0, 4, 3000),
        ),
        EndRun(key="s/end", run=RUN, status="FINISHED", end_ms=3000),
        ForgetPrograms(key="s/forget", scope=CID),
    ]
    assert mapped(done, options=NO_RUNS) == [
        KeepProgram(key="s/program", scope=CID, program_id="p", state="{}"),
        ForgetPrograms(key="s/forget", scope=CID),
    ]


@pytest.mark.parametrize(
    ("attributes", "description"),
    [
        ({"dspy.compile.parent.trial.index": 2, "dspy.usage.lm_calls": 0}, "step of trial 2: 0 language model calls"),
        ({"dspy.usage.lm_calls": 1}, "step of its parent run: 1 language model call"),
        ({"dspy.usage.lm_calls": 1200}, "step of its parent run: 1,200 language model calls"),
        ({"dspy.compile.trial.count": 3}, None),
        ({"error.type": "ValueError"}, None),
    ],
)
def test_a_nested_compile_without_trials_is_described_as_a_step(
    attributes: dict[str, Any], description: str | None
) -> None:
    """Apart from trials in a table of runs; one with trials has the description of its report."""
    found = only(mapped(span("compile", NESTED | attributes, parent_id=None)), EnsureRun)
    assert found.tags.get("mlflow.note.content") == description


def test_a_nested_compile_of_which_little_is_known() -> None:
    """No result, no totals: its run is a child of the enclosing compile's, and its end clears its programs."""
    found = mapped(span("compile", NESTED, parent_id=None))
    summary = only(found, LogText)
    assert found == [
        EnsureRun(
            key="s/run",
            run=RUN,
            name="MIPROv2 Solver",
            start_ms=1000,
            parent=CompileRun("outer"),
            tags=IDENTITY_TAGS | {"otel.span_id": "s", "mlflow.note.content": "step of its parent run"},
        ),
        LogMetrics(key="s/totals", run=RUN),
        LogText(key="s/summary/0", run=RUN, path="optimization_summary.json", text=summary.text),
        EndRun(key="s/end", run=RUN, status="FINISHED", end_ms=3000),
        ForgetPrograms(key="s/forget", scope=CID),
    ]


@pytest.mark.parametrize(
    ("attributes", "fields", "status", "tags"),
    [
        ({"error.type": "ValueError"}, {}, "FAILED", {"error.type": "ValueError"}),
        ({}, {"error": True, "message": "it broke"}, "FAILED", {"error.type": "ERROR", "error.message": "it broke"}),
        (
            {"error.type": "KeyboardInterrupt"},
            {"error": True, "message": None},
            "KILLED",
            {"error.type": "KeyboardInterrupt"},
        ),
        (
            {"error.type": "otel_dspy.budget.BudgetExceeded"},
            {"error": True, "message": None},
            "KILLED",
            {"error.type": "otel_dspy.budget.BudgetExceeded"},
        ),
    ],
)
def test_a_compile_that_raised_has_no_result(
    attributes: dict[str, Any], fields: dict[str, Any], status: str, tags: dict[str, str]
) -> None:
    """No best program, an error on the run; a report, unless the program is about to end."""
    found = mapped(span("compile", {**IDENTITY, "dspy.program.id": "p", **attributes}, parent_id=None, **fields))
    stopped = attributes.get("error.type") == "KeyboardInterrupt"
    reports, described = ([], ["DescribeStopped"]) if stopped else (["LogReport"], [])
    assert [type(operation).__name__ for operation in found] == [
        "EnsureRun", "LogMetrics", "LogText", *reports, "EndRun", *described, "ForgetPrograms",
    ]  # fmt: skip
    assert [one for one in found if isinstance(one, DescribeStopped)] == [
        DescribeStopped(key="s/stopped/0", run=RUN) for _ in described
    ]
    assert only(found, EndRun).status == status
    assert only(found, LogMetrics).tags == {"dspy.program.id": "p", **tags}


@pytest.mark.parametrize("every", [True, False])
def test_a_compile_of_which_all_examples_failed_has_failed(every: bool) -> None:  # noqa: FBT001 - a table's column
    """Its program is logged all the same: the optimizer returned it."""
    found = mapped(span("compile", {**RESULT, "dspy.failures.all": every}))
    assert only(found, EndRun).status == ("FAILED" if every else "FINISHED")
    assert only(found, LogModel).program_id == "p"


def test_a_model_has_a_name_that_mlflow_accepts() -> None:
    """MLflow rejects names of models with slashes, dots or colons; a compile without trials has no run to link to."""
    names = {"dspy.optimizer.name": "my.tools/Best", "dspy.program.name": "a.B%", "dspy.program.id": "p"}
    model = only(mapped(span("compile", {**IDENTITY, **names, "dspy.compile.trial.count": 0})), LogModel)
    assert (model.name, model.also) == ("my_tools_Best-a_B_", None)


def test_the_totals_of_a_compile_without_trials() -> None:
    """They are the first points of the run's curves."""
    totals = only(mapped(span("compile", {**IDENTITY, "dspy.usage.lm_calls": 9})), LogMetrics)
    assert totals.metrics == (MetricPoint("usage/lm_calls", 9.0, 0, 3000),)


def test_the_first_trial_of_one_is_the_last() -> None:
    """The model of a compile with one trial is linked to that trial's run, if trials have runs."""
    done = span("compile", {**IDENTITY, "dspy.program.id": "p", "dspy.compile.trial.count": 1})
    assert only(mapped(done), LogModel).also == TrialRun(CID, 0, RUN)
    assert only(mapped(done, options=Options(log_traces=False, log_evals=False)), LogModel).also is None


@pytest.mark.parametrize(
    ("attributes", "description"),
    [
        ({}, "**MIPROv2 on Solver finished: no score was recorded**"),
        (
            {"dspy.compile.trial.count": 1, "dspy.compile.best_score": 75.0, "dspy.trial.score.unit": "percent"},
            "**MIPROv2 on Solver finished after 1 trial: best 75.0 %**",
        ),
        (
            {"error.type": "builtins.ValueError", "dspy.compile.trial.count": 2, "dspy.compile.best_score": 0.5},
            "**MIPROv2 on Solver failed after 2 trials, best 0.500: ValueError: it broke**",
        ),
        (
            {**FAILED, "dspy.failures.all": True, "dspy.failures.first.message": "no *verdict*"},
            r"**MIPROv2 on Solver finished: every example failed with ValueError: no \*verdict\***",
        ),
        ({"error.type": "KeyboardInterrupt"}, None),
    ],
)
def test_the_description_until_the_report(attributes: dict[str, Any], description: str | None) -> None:
    """What the span has of it; the run of a compile that was interrupted has another."""
    done = span("compile", {**IDENTITY, **attributes}, error="error.type" in attributes)
    reports = [operation for operation in mapped(done) if isinstance(operation, LogReport)]
    assert [report.description for report in reports] == ([] if description is None else [description])
