"""Operations of an evaluation, alone, in a user's run or in a compile."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from otel_dspy.mlflow.mapping.operations import (
    EndRun,
    EnsureRun,
    ForgetPrograms,
    KeepProgram,
    LogEvaluation,
    LogMetrics,
    LogProgram,
    LogTable,
    MetricPoint,
)
from otel_dspy.mlflow.mapping.run_keys import EvaluateRun, TrialRun, UserRun
from otel_dspy.mlflow.records.route import Options
from tests.support.mapped_spans import CID, CONTEXT, mapped, only, span
from tests.support.trial_spans import (
    ALONE,
    COMPILE,
    FAILED,
    FIRST_FAILURE,
    NO_COMPILES,
    NO_TRIALS,
    PLACE,
    PROGRAM,
    RUN,
    TRACE,
)

OWN = EvaluateRun(TRACE, "s")


def _table(run: Any, path: str) -> LogTable:
    return LogTable(
        key="s/results", run=run, path=path, columns=["index", "score"], rows=[[0, 1.0]], start_ms=1000
    )  # fmt: skip


ROWS = {"dspy.evaluate.results": '[{"index": 0, "score": 1.0}]'}


@pytest.mark.parametrize(
    ("attributes", "options", "expected"),
    [
        ({}, None, [_table(RUN, "result_table.json")]),
        ({"dspy.evaluate.role": "validation"}, None, [_table(RUN, "result_table.json")]),
        ({"dspy.evaluate.role": "reflection"}, None, [_table(RUN, "result_table_reflection.json")]),
        ({}, NO_TRIALS, []),
        ({"dspy.phase.name": "boot/strap."}, NO_TRIALS, [_table(COMPILE, "boot/strap._table.json")]),
        (
            {"dspy.phase.name": "bootstrap"},
            None,
            [_table(RUN, "result_table.json"), _table(COMPILE, "bootstrap_table.json")],
        ),
        ({"dspy.phase.name": "bootstrap"}, NO_COMPILES, [_table(replace(RUN, parent=None), "result_table.json")]),
        ({"dspy.evaluate.results": "[cut", "dspy.phase.name": "bootstrap"}, None, []),
    ],
)
def test_results_of_an_evaluation_in_a_compile(
    attributes: dict[str, Any], options: Options | None, expected: list[LogTable]
) -> None:
    """One table for each role in the trial's run, and one for each phase in the compile's."""
    found = span("evaluate", {**PLACE, **ROWS, **attributes})
    assert mapped(found, options=options or Options(log_traces=False)) == expected


@pytest.mark.parametrize(
    ("attributes", "options", "runs"),
    [
        ({}, None, [("s/objectives", RUN, 0), ("s/objectives of all", COMPILE, 4)]),
        ({"dspy.trial.index": 0}, None, [("s/objectives", TrialRun(CID, 0, COMPILE), 0),
                                         ("s/objectives of all", COMPILE, 0)]),
        ({}, NO_TRIALS, [("s/objectives of all", COMPILE, 4)]),
        ({}, NO_COMPILES, [("s/objectives", replace(RUN, parent=None), 0)]),
        ({"dspy.evaluate.role": "validation"}, None, []),
        ({"dspy.evaluate.objective.recall": "high"}, None, []),
    ],
)  # fmt: skip
def test_objectives_of_an_evaluation_in_a_compile(
    attributes: dict[str, Any], options: Options | None, runs: list[Any]
) -> None:
    """Metrics of the trial, and points on the compile's curves; of an evaluation with a role the optimizer has them."""
    found = span("evaluate", {**PLACE, "dspy.evaluate.objective.recall": 0.5, **attributes})
    assert mapped(found, options=options or Options(log_traces=False)) == [
        LogMetrics(key=key, run=run, metrics=(MetricPoint("score/objective/recall", 0.5, step, 3000),))
        for key, run, step in runs
    ]


@pytest.mark.parametrize("place", [PLACE, {}])
def test_an_evaluation_that_an_example_makes_is_none_of_its_trial_and_no_run(place: dict[str, Any]) -> None:
    """The run has the scores and objectives of its own evaluation."""
    attributes = {**place, **ROWS, **PROGRAM, "dspy.evaluate.score": 50.0, "dspy.evaluate.objective.recall": 0.5}
    found = span("evaluate", {**attributes, "dspy.evaluate.within_example": True})
    assert mapped(found) == mapped(found, ALONE) == []


def test_an_evaluation_in_no_trial_keeps_its_program() -> None:
    """A phase evaluates before the trials: its state is the compile's, its objectives belong to no run."""
    attributes = {"dspy.compile.id": CID, "dspy.evaluate.objective.recall": 0.5, **PROGRAM, **ROWS}
    assert mapped(span("evaluate", attributes)) == [KeepProgram(key="s/program", scope=CID, program_id="p", state="{}")]


def test_failed_examples_by_the_type_of_their_error() -> None:
    """On the trial's run, and on that of a stand-alone evaluation beside their number."""
    kinds = ["KeyError", "a/../b", "KeyError"]
    rows = [{"index": number, "score": 0.0, "error": kind} for number, kind in enumerate(kinds)]
    attributes = {"dspy.evaluate.results": json.dumps([*rows, {"index": 3, "score": 1.0}])}
    types = (MetricPoint("score/errors/KeyError", 2.0, 0, 3000), MetricPoint("score/errors/a/b", 1.0, 0, 3000))
    in_trial = mapped(span("evaluate", {**PLACE, **attributes}))
    assert [operation for operation in in_trial if isinstance(operation, LogMetrics)] == [
        LogMetrics(key="s/errors", run=RUN, metrics=types)
    ]
    alone = mapped(span("evaluate", {**attributes, "dspy.evaluate.num_errors": 3}), ALONE)
    assert [operation.metrics for operation in alone if isinstance(operation, LogMetrics)] == [
        (MetricPoint("score/errors", 3.0, 0, 3000), *types)
    ]


def test_a_score_on_a_minibatch_outside_of_a_compile() -> None:
    """It is no score on the whole set."""
    attributes = {"dspy.evaluate.score": 60.0, "dspy.evaluate.scope": "minibatch"}
    (logged,) = [found for found in mapped(span("evaluate", attributes), ALONE) if isinstance(found, LogMetrics)]
    assert logged.metrics == (MetricPoint("score/minibatch", 60.0, 0, 3000),)


EVALUATED: dict[str, Any] = {
    **PROGRAM,
    **FAILED,
    **ROWS,
    "dspy.program.name": "Solver",
    "dspy.metric.name": "exact",
    "dspy.dataset.id": "d",
    "dspy.evaluate.score": 60.0,
    "dspy.evaluate.num_errors": 3,
    "dspy.evaluate.objective.recall": 0.5,
    "dspy.usage.lm_calls": 2,
}
TAGS = {
    "dspy.program.name": "Solver",
    "dspy.program.id": "p",
    "dspy.metric.name": "exact",
    "dspy.dataset.id": "d",
    "otel.trace_id": TRACE,
    "otel.span_id": "s",
}


def test_all_that_an_evaluation_alone_becomes() -> None:
    """A run with the program, the results, the metrics and the first failure."""
    assert mapped(span("evaluate", EVALUATED), ALONE) == [
        EnsureRun(
            key="s/run", run=OWN, name="evaluate Solver", start_ms=1000, parent=None, tags={**TAGS, **FIRST_FAILURE}
        ),
        KeepProgram(key="s/program", scope="s", program_id="p", state="{}"),
        LogProgram(key="s/model", run=OWN, scope="s", program_id="p", path="model.json"),
        ForgetPrograms(key="s/forget", scope="s"),
        _table(OWN, "result_table.json"),
        LogMetrics(
            key="s/metrics",
            run=OWN,
            metrics=(
                MetricPoint("score/full", 60.0, 0, 3000),
                MetricPoint("score/objective/recall", 0.5, 0, 3000),
                MetricPoint("score/errors", 3.0, 0, 3000),
                MetricPoint("usage/lm_calls", 2.0, 0, 3000),
            ),
        ),
        EndRun(key="s/end", run=OWN, status="FINISHED", end_ms=3000),
    ]  # fmt: skip
    assert mapped(span("evaluate", EVALUATED), ALONE, NO_TRIALS) == []


def test_all_that_an_evaluation_in_a_users_run_becomes() -> None:
    """The user's run is neither created nor ended; the program has a file of its own beside the latest one's."""
    users = UserRun("u")
    every = {**EVALUATED, "dspy.failures.all": True}
    assert mapped(span("evaluate", every), replace(ALONE, user_run="u")) == [
        KeepProgram(key="s/program", scope="s", program_id="p", state="{}"),
        LogProgram(key="s/model", run=users, scope="s", program_id="p", path="model.json"),
        LogProgram(key="s/program file", run=users, scope="s", program_id="p", path="programs/p.json"),
        ForgetPrograms(key="s/forget", scope="s"),
        _table(users, "result_table.json"),
        LogEvaluation(
            key="s/metrics",
            run=users,
            evaluation="s",
            results={"score/objective/recall": 0.5, "score/full": 60.0, "score/errors": 3.0},
            used={"usage/lm_calls": 2.0},
            time_ms=3000,
            tags=FIRST_FAILURE,
        ),
    ]


@pytest.mark.parametrize(
    ("attributes", "results", "used"),
    [
        ({"dspy.evaluate.score": 60.0}, {"score/full": 60.0}, {}),
        ({"dspy.usage.lm_calls": 2}, {}, {"usage/lm_calls": 2.0}),
    ],
)
def test_an_evaluation_in_a_users_run_with_few_numbers(
    attributes: dict[str, Any], results: dict[str, float], used: dict[str, float]
) -> None:
    """Without scores the usage is logged, and without usage the score; without both nothing is."""
    users = replace(ALONE, user_run="u")
    assert mapped(span("evaluate", attributes), users) == [
        LogEvaluation(
            key="s/metrics", run=UserRun("u"), evaluation="s", results=results, used=used, time_ms=3000, tags={}
        )
    ]
    assert mapped(span("evaluate", {}), users) == []


def test_the_cost_of_an_evaluation_without_calls() -> None:
    """It is 0 in a run of its own; in a user's run, calls with an unknown price may follow."""
    unused = {"dspy.usage.lm_calls": 0, "dspy.usage.cost": 0.0}
    alone = only(mapped(span("evaluate", unused), ALONE), LogMetrics)
    assert alone.metrics == (MetricPoint("usage/lm_calls", 0.0, 0, 3000), MetricPoint("usage/cost", 0.0, 0, 3000))
    within = only(mapped(span("evaluate", unused), replace(ALONE, user_run="u")), LogEvaluation)
    assert within.used == {"usage/lm_calls": 0.0}


def test_an_evaluation_alone_of_which_little_is_known() -> None:
    """Its run, and nothing that is empty."""
    tags = {"dspy.program.name": "program", "otel.trace_id": TRACE, "otel.span_id": "s"}
    assert mapped(span("evaluate", {}), ALONE) == [
        EnsureRun(key="s/run", run=OWN, name="evaluate program", start_ms=1000, parent=None, tags=tags),
        EndRun(key="s/end", run=OWN, status="FINISHED", end_ms=3000),
    ]


@pytest.mark.parametrize(
    ("attributes", "fields", "status", "tags"),
    [
        ({"error.type": "ValueError"}, {}, "FAILED", {"error.type": "ValueError"}),
        ({}, {"error": True}, "FAILED", {"error.type": "ERROR", "error.message": "it broke"}),
        ({"error.type": "builtins.SystemExit"}, {}, "KILLED", {"error.type": "builtins.SystemExit"}),
        (FAILED, {}, "FINISHED", FIRST_FAILURE),
        (
            {**FAILED, "dspy.failures.all": True},
            {},
            "FAILED",
            {**FIRST_FAILURE, "error.type": "ValueError", "error.message": "no verdict"},
        ),
    ],
)
def test_how_an_evaluation_alone_ended(
    attributes: dict[str, Any], fields: dict[str, Any], status: str, tags: dict[str, str]
) -> None:
    """By its error, its span's status and its examples."""
    found = mapped(span("evaluate", attributes, **fields), ALONE)
    assert only(found, EndRun).status == status
    assert only(found, EnsureRun).tags == {
        "dspy.program.name": "program", "otel.trace_id": TRACE, "otel.span_id": "s", **tags
    }  # fmt: skip


def test_an_evaluation_outside_its_compiles_trace() -> None:
    """Its compile is an attribute: the context of the trace does not decide."""
    assert mapped(span("evaluate", {**PLACE, **ROWS}), CONTEXT) == mapped(span("evaluate", {**PLACE, **ROWS}), ALONE)
