"""Operations of trials, whole."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from otel_dspy.mlflow.mapping.operations import (
    EndRun,
    EnsureRun,
    KeepProgram,
    LogChanges,
    LogEvaluation,
    LogMetrics,
    LogParams,
    LogProgram,
    LogTable,
    LogText,
    MetricPoint,
)
from otel_dspy.mlflow.mapping.run_keys import TrialRun
from tests.support.mapped_spans import CID, mapped, only, span
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

TRIAL: dict[str, Any] = {
    **PLACE,
    **PROGRAM,
    **FAILED,
    "dspy.trial.label": "minibatch 2",
    "dspy.trial.kind": "candidate",
    "dspy.trial.scope": "minibatch",
    "dspy.trial.state": "complete",
    "dspy.trial.score.unit": "percent",
    "dspy.trial.is_best": False,
    "dspy.trial.derived": True,
    "dspy.trial.reason": "better than its parent",
    "dspy.program.parent.ids": ("a", "b"),
    "dspy.trial.parameter.seed": 7,
    "dspy.trial.candidate": '{"predict": "Add."}',
    "dspy.trial.scores": '[{"score": 1.0, "id": "x", "before": [0.5], "round": 2}, {"id": "y", "before": [0.5, 1.0]}]',
    "dspy.trial.pareto.front": '[{"score": 0.5, "of": "valset"}]',
    "dspy.trial.score": 60.0,
    "dspy.evaluate.num_examples": 10,
    "dspy.trial.best_score": 70.0,
    "dspy.trial.measure.val loss": 0.25,
    "dspy.usage.lm_calls": 1,
    "dspy.compile.usage.lm_calls": 9,
}


def _points(step: int, **values: float) -> tuple[MetricPoint, ...]:
    return tuple(
        MetricPoint(name.replace("__", "/", 1).replace("__", " "), value, step, 3000) for name, value in values.items()
    )


def test_all_that_a_trial_span_becomes() -> None:
    """State; run with its tags, parameters, program, changes, candidate, tables and metrics; the compile's curves."""
    progress = LogMetrics(
        key="s/progress",
        run=COMPILE,
        metrics=_points(4, score__best=70.0, score__minibatch=60.0, search__val__loss=0.25, usage__lm_calls=9.0),
    )
    kept = KeepProgram(key="s/program", scope=CID, program_id="p", state="{}")
    found = mapped(span("trial", TRIAL))
    assert found == [
        kept,
        EnsureRun(
            key="s/run",
            run=RUN,
            name="trial 4: minibatch 2",
            start_ms=1000,
            parent=COMPILE,
            tags={
                "dspy.compile.id": CID,
                "dspy.trial.index": "4",
                "dspy.trial.label": "minibatch 2",
                "dspy.trial.kind": "candidate",
                "dspy.trial.scope": "minibatch",
                "dspy.trial.state": "complete",
                "dspy.trial.score.unit": "percent",
                "dspy.trial.is_best": "false",
                "dspy.trial.derived": "true",
                "dspy.trial.reason": "better than its parent",
                "dspy.program.id": "p",
                "dspy.program.parent.ids": '["a", "b"]',
                "mlflow.note.content": "minibatch 2: 60.0 % of 10 (minibatch); better than its parent",
                "otel.trace_id": TRACE,
                "otel.span_id": "s",
                **FIRST_FAILURE,
            },
        ),
        LogParams(key="s/params", run=RUN, params={"seed": "7"}),
        LogProgram(key="s/model", run=RUN, scope=CID, program_id="p", path="model.json"),
        LogChanges(
            key="s/changes", run=RUN, scope=CID, program_id="p", parent_ids=("a", "b"), path="changes.md",
            title="trial 4: minibatch 2, 60.0 % of 10 (minibatch)",
        ),
        LogText(key="s/candidate", run=RUN, path="candidate.json", text='{"predict": "Add."}'),
        LogTable(
            key="s/scores.json",
            run=RUN,
            path="scores.json",
            columns=["on", "id", "before", "score", "round"],
            rows=[[None, "x", 0.5, 1.0, 2], [None, "y", [0.5, 1.0], None, None]],
            start_ms=1000,
        ),
        LogTable(
            key="s/pareto_front.json",
            run=RUN,
            path="pareto_front.json",
            columns=["of", "id", "score", "candidates"],
            rows=[["valset", None, 0.5, None]],
            start_ms=1000,
        ),
        LogMetrics(
            key="s/metrics", run=RUN,
            metrics=_points(
                0, score__minibatch=60.0, score__num_examples=10.0, score__errors=3.0, search__val__loss=0.25,
                usage__lm_calls=1.0,
            ),
        ),
        progress,
        EndRun(key="s/end", run=RUN, status="FINISHED", end_ms=3000),
    ]  # fmt: skip
    assert mapped(span("trial", TRIAL), options=NO_TRIALS) == [kept, progress]
    without = mapped(span("trial", TRIAL), options=NO_COMPILES)
    assert [operation.key for operation in without] == [operation.key for operation in found if operation != progress]
    assert {getattr(operation, "run", None) for operation in without} == {None, TrialRun(CID, 4, None)}
    assert only(without, EnsureRun).parent is None


CHOICES: dict[str, Any] = {
    "dspy.trial.parameter.0_predictor_instruction": 1, "dspy.trial.parameter.0_predictor_demos": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "name", "description"),
    [
        ({"dspy.trial.score": 65.0, "dspy.trial.score.unit": "percent", "dspy.trial.label": "trial 5", **CHOICES},
         "trial 4: instruction 1 + demos 2", "instruction 1 + demos 2: 65.0 %"),
        ({"dspy.trial.score": 0.5, "dspy.trial.kind": "full_evaluation", **CHOICES},
         "trial 4: instruction 1 + demos 2", "instruction 1 + demos 2: 0.500"),
        ({"dspy.trial.score": 0.5, "dspy.trial.label": "seed -3"}, "trial 4: seed -3", "seed -3: 0.500"),
        ({"dspy.trial.score": 0.5, "dspy.trial.kind": "full_evaluation"}, "trial 4", "full evaluation: 0.500"),
        ({"dspy.trial.score": 0.5}, "trial 4", "trial: 0.500"),
        ({"dspy.trial.state": "fail"}, "trial 4", "trial: failed"),
        ({"dspy.trial.state": "fail", "dspy.trial.score": math.nan, "dspy.trial.label": "seed 1"},
         "trial 4: seed 1", "seed 1: failed with score NaN"),
        ({"dspy.trial.score": math.nan, "dspy.trial.score.unit": "percent", "dspy.trial.label": "seed 1"},
         "trial 4: seed 1", "seed 1: NaN"),
        ({"dspy.trial.state": "rejected", "dspy.trial.label": "iteration 2", "dspy.trial.reason": "not better"},
         "trial 4: iteration 2", "iteration 2: no score; not better"),
        ({"dspy.trial.score": 0.5, "dspy.trial.label": "iteration 2", "dspy.trial.scope": "minibatch",
          "dspy.trial.reason": "New subsample score 1.0 not better than old score 1.5"},
         "trial 4: iteration 2",
         "iteration 2: 0.500 on a minibatch; not better than before: sum of scores 1.0 against 1.5"),
        ({"dspy.trial.score": 0.5, "dspy.trial.label": "iteration 4", "dspy.trial.parameter.iteration": 4,
          "dspy.trial.parameter.candidate": 3, "dspy.trial.parameter.parents": (1, 2),
          "dspy.trial.parameter.components": ("left", "right")},
         "trial 4: candidate 3, merge of 1 and 2", "candidate 3, merge of 1 and 2: 0.500"),
        ({"dspy.trial.score": 0.5, "dspy.trial.label": "iteration 4", "dspy.trial.parameter.iteration": 4,
          "dspy.trial.parameter.candidate": 3, "dspy.trial.parameter.parents": (1,),
          "dspy.trial.parameter.components": ("left",)},
         "trial 4: candidate 3, left of candidate 1 changed", "candidate 3, left of candidate 1 changed: 0.500"),
        ({"dspy.trial.state": "pruned", "dspy.trial.reason": "all_scores_perfect", "dspy.trial.label": "iteration 4",
          "dspy.trial.parameter.iteration": 4, "dspy.trial.parameter.parents": (0,)},
         "trial 4: proposal from candidate 0", "proposal from candidate 0: no score; all scores perfect"),
        ({"dspy.trial.score": 0.5, "dspy.trial.label": "seed", "dspy.trial.parameter.iteration": 0,
          "dspy.trial.parameter.candidate": 0, "dspy.trial.kind": "baseline"},
         "trial 4: start, candidate 0", "start, candidate 0: 0.500"),
        ({"dspy.trial.score": 35.0, "dspy.trial.score.unit": "percent", "dspy.trial.label": "default program",
          "dspy.trial.kind": "baseline"},
         "trial 4: start", "start: 35.0 %"),
        ({"dspy.trial.state": "fail", "error.type": "ValueError", "dspy.trial.label": "seed 1"},
         "trial 4: seed 1", "seed 1: failed with ValueError: it broke"),
        ({"dspy.trial.score": 65.0, "dspy.trial.score.unit": "percent", "dspy.trial.scope": "full",
          "dspy.trial.parameter.0_predictor_instruction": 1, "dspy.trial.parameter.0_predictor_demos": 1,
          "dspy.evaluate.num_examples": 20, "dspy.compile.initial_score": 35.0},
         "trial 4: instruction 1 + demos 1", "instruction 1 + demos 1: 65.0 % of 20, +30.0 against the start"),
        ({"dspy.trial.score": 0.25, "dspy.trial.score.unit": "ratio", "dspy.trial.scope": "full",
          "dspy.evaluate.num_examples": 4, "dspy.compile.initial_score": 0.5, "dspy.trial.label": "seed 1"},
         "trial 4: seed 1", "seed 1: 0.250 on 4 examples, -0.250 against the start"),
        ({"dspy.trial.score": math.nan, "dspy.trial.score.unit": "percent", "dspy.trial.scope": "full",
          "dspy.evaluate.num_examples": 4, "dspy.compile.initial_score": 50.0, "dspy.trial.label": "seed 1"},
         "trial 4: seed 1", "seed 1: NaN on 4 examples"),
        ({"dspy.trial.score": 50.0, "dspy.trial.score.unit": "percent", "dspy.trial.scope": "full",
          "dspy.compile.initial_score": math.nan, "dspy.trial.label": "seed 1"},
         "trial 4: seed 1", "seed 1: 50.0 %"),
        ({"dspy.trial.score": math.inf, "dspy.trial.score.unit": "percent", "dspy.trial.scope": "full",
          "dspy.compile.initial_score": math.inf, "dspy.trial.label": "seed 1"},
         "trial 4: seed 1", "seed 1: inf %"),
        ({"dspy.trial.score": 0.25, "dspy.trial.label": "seed 1", "dspy.evaluate.num_examples": 1},
         "trial 4: seed 1", "seed 1: 0.250 on 1 example"),
        ({"dspy.trial.score": 80.0, "dspy.trial.score.unit": "percent", "dspy.trial.scope": "minibatch",
          "dspy.trial.label": "seed 1", "dspy.evaluate.num_examples": 10},
         "trial 4: seed 1", "seed 1: 80.0 % of 10 (minibatch)"),
        ({"dspy.trial.score": 80.0, "dspy.trial.score.unit": "percent", "dspy.trial.scope": "minibatch",
          "dspy.trial.label": "seed 1"},
         "trial 4: seed 1", "seed 1: 80.0 % on a minibatch"),
        ({"dspy.trial.score": 0.0, "dspy.trial.label": "seed 1", **FAILED, "dspy.failures.all": True},
         "trial 4: seed 1", "seed 1: every example failed with ValueError: no verdict"),
        ({"dspy.trial.score": 0.0, "dspy.trial.label": "seed 1", **FAILED, "dspy.failures.all": True,
          "dspy.failures.first.type": "dspy.utils.NoKeyError", "dspy.failures.first.message": "no key.\n\n  To fix:\n  …"},
         "trial 4: seed 1", "seed 1: every example failed with NoKeyError: no key"),
        ({"dspy.trial.state": "fail", "error.type": "KeyboardInterrupt", "dspy.trial.label": "seed 1"},
         "trial 4: seed 1", "seed 1: stopped by the user"),
        ({"dspy.trial.parameter.0_predictor_instruction": 1, "dspy.trial.parameter.1_predictor_instruction": 0,
          "dspy.trial.label": "x"},
         "trial 4: predictor 0: instruction 1; predictor 1: instruction 0", None),
        ({f"dspy.trial.parameter.{number}_predictor_demos": 0 for number in range(10)},
         "trial 4: predictor 0: demos 0; predictor 1: demos 0; predictor 2: demos 0; predictor 3: demos 0; predictor 4: demos 0; p",
         None),
    ],
)  # fmt: skip
def test_name_and_description(attributes: dict[str, Any], name: str, description: str | None) -> None:
    """What the optimizer chose comes before its own label; the description adds the score, the error or the reason."""
    trial = span("trial", {**PLACE, **attributes}, error="error.type" in attributes)
    run = only(mapped(trial), EnsureRun)
    assert (run.name, run.tags.get("mlflow.note.content")) == (name, description)


@pytest.mark.parametrize(
    ("attributes", "metrics"),
    [
        ({"dspy.trial.score": 0.5, "dspy.evaluate.num_examples": 4, "dspy.trial.scope": "full"},
         {"score/full": 0.5, "score/num_examples": 4.0}),
        ({"dspy.trial.score": 0.5, "dspy.trial.scope": "full"}, {"score/full": 0.5}),
    ],
)  # fmt: skip
def test_the_number_of_examples_beside_the_score(attributes: dict[str, Any], metrics: dict[str, float]) -> None:
    """On the trial's run alone: the saved view has it as a column."""
    found = [one for one in mapped(span("trial", {**PLACE, **attributes})) if isinstance(one, LogMetrics)]
    assert {point.name: point.value for one in found if one.run == RUN for point in one.metrics} == metrics
    assert not any(point.name == "score/num_examples" for one in found if one.run == COMPILE for point in one.metrics)


def test_the_heading_of_the_changes() -> None:
    """What was chosen and its score, as in the run's name; the name alone without a score."""
    trial = {**PLACE, **PROGRAM, **CHOICES}
    scored = mapped(span("trial", {**trial, "dspy.trial.score": 65.0, "dspy.trial.score.unit": "percent"}))
    assert only(scored, LogChanges).title == "trial 4: instruction 1 + demos 2, 65.0 %"
    assert only(mapped(span("trial", trial)), LogChanges).title == "trial 4: instruction 1 + demos 2"


@pytest.mark.parametrize(
    ("used", "cost"),
    [
        ({"lm_calls": 0, "cost": 0.0}, {}),
        ({"lm_calls": 2, "cost": 0.0}, {"usage/cost": 0.0}),
        ({"lm_calls": 0, "embedding_calls": 1, "cost": 0.0}, {"usage/cost": 0.0}),
        ({"lm_calls": 0, "cost": 0.5}, {"usage/cost": 0.5}),
    ],
)
def test_a_part_without_calls_has_no_cost(used: dict[str, float], cost: dict[str, float]) -> None:
    """MLflow would keep its 0 as the cost of a run whose later calls have no known price."""
    curves = {f"dspy.compile.usage.{name}": value for name, value in used.items()}
    (progress,) = [one for one in mapped(span("trial", {**PLACE, **curves})) if one.key == "s/progress"]
    assert isinstance(progress, LogMetrics)
    assert {one.name: one.value for one in progress.metrics if one.name == "usage/cost"} == cost
    totals = {f"dspy.usage.{name}": value for name, value in used.items()}
    (logged,) = mapped(span("evaluate", totals), replace(ALONE, user_run="u"))
    assert isinstance(logged, LogEvaluation)
    assert {name: value for name, value in logged.used.items() if name == "usage/cost"} == cost


def test_a_trial_of_which_little_is_known() -> None:
    """Its run, and nothing that is empty."""
    tags = {"dspy.compile.id": CID, "dspy.trial.index": "4", "otel.trace_id": TRACE, "otel.span_id": "s"}
    assert mapped(span("trial", PLACE)) == [
        EnsureRun(key="s/run", run=RUN, name="trial 4", start_ms=1000, parent=COMPILE, tags=tags),
        EndRun(key="s/end", run=RUN, status="FINISHED", end_ms=3000),
    ]
    empty = {"dspy.trial.scores": "[]", "dspy.trial.pareto.front": "[cut"}
    assert [operation.key for operation in mapped(span("trial", {**PLACE, **empty}))] == ["s/run", "s/end"]


@pytest.mark.parametrize(
    ("attributes", "status", "tags"),
    [
        ({"dspy.trial.state": "fail"}, "FAILED", {"error.type": "fail"}),
        (
            {"dspy.trial.state": "fail", "dspy.trial.score": math.nan},
            "FAILED",
            {"error.type": "fail", "error.message": "score NaN"},
        ),
        ({"dspy.trial.state": "pruned"}, "FINISHED", {}),
        ({"error.type": "ValueError"}, "FAILED", {"error.type": "ValueError"}),
        ({"error.type": "KeyboardInterrupt", "dspy.trial.state": "fail"}, "KILLED", {"error.type": "KeyboardInterrupt"}),
        ({**FAILED}, "FINISHED", FIRST_FAILURE),
        (
            {**FAILED, "dspy.failures.all": True},
            "FAILED",
            {**FIRST_FAILURE, "error.type": "ValueError", "error.message": "no verdict"},
        ),
    ],
)  # fmt: skip
def test_how_a_trial_ended(attributes: dict[str, Any], status: str, tags: dict[str, str]) -> None:
    """By its state, its error and its examples."""
    found = mapped(span("trial", {**PLACE, **attributes}))
    assert only(found, EndRun).status == status
    named = {
        name: value
        for name, value in only(found, EnsureRun).tags.items()
        if name.startswith(("error.", "dspy.failures."))
    }
    assert named == tags
