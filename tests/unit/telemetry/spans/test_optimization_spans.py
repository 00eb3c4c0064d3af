"""Spans, log events and metrics of a whole optimization, from the compile to its examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode

from otel_dspy.serialization.programs import ProgramSnapshot
from otel_dspy.telemetry.call_context import call_context_in
from otel_dspy.telemetry.spans.compile import CompileInfo, close_compile, open_compile
from otel_dspy.telemetry.spans.evaluate import (
    EvaluateInfo,
    EvaluateOutcome,
    close_evaluate,
    open_evaluate,
)
from otel_dspy.telemetry.spans.example import open_example
from otel_dspy.telemetry.spans.example_result import ExampleOutcome, close_example
from otel_dspy.telemetry.spans.setup import DatasetInfo, SetupInfo, emit_setup
from otel_dspy.telemetry.spans.trial import (
    Scope,
    ScoreUnit,
    TrialInfo,
    TrialKind,
    TrialOutcome,
    TrialState,
    close_trial,
    open_trial,
)
from otel_dspy.telemetry.usage import CallUsage
from tests.unit.telemetry.spans.emitted import Emitted, current

if TYPE_CHECKING:
    from otel_dspy.telemetry.scopes import CompileScope, EvaluateScope, TrialScope

INITIAL = ProgramSnapshot("p0", '{"a": 1}')
CANDIDATE = ProgramSnapshot("p1", '{"a": 2}')
EXAMPLE = dspy.Example(q="1+1", a="2").with_inputs("q")
OTHER = dspy.Example(q="2+2", a="4").with_inputs("q")
PICTURE = f"data:image/png;base64,{'A' * 100_000}"
LARGE = dspy.Example(picture=PICTURE)
EVERYTHING: dict[str, Any] = {"capture_content": True, "capture_programs": True, "capture_datasets": True}
UNUSED = {"input_tokens": 0, "output_tokens": 0, "lm_calls": 0, "cache_hits": 0, "cost": 0.0}
NO_USAGE = {f"dspy.usage.{name}": value for name, value in UNUSED.items()}
NO_COMPILE_USAGE = {f"dspy.compile.usage.{name}": value for name, value in UNUSED.items()}
FAILURE = {
    "dspy.failures.examples": 1,
    "dspy.failures.all": True,
    "dspy.failures.first.type": "ValueError",
    "dspy.failures.first.message": "no verdict",
}


def _compile(emitted: Emitted, **info: Any) -> CompileScope:
    given: dict[str, Any] = {"key": 1, "optimizer_name": "Opt", "program_name": "Solver", "metric_name": "exact"}
    return open_compile(emitted.telemetry, CompileInfo(**given | info))


def _evaluate(emitted: Emitted, trial: TrialScope | None = None, **info: Any) -> EvaluateScope:
    given: dict[str, Any] = {"metric_name": "exact", "program_name": "Solver", "devset": [EXAMPLE], "scope": Scope.FULL}
    return open_evaluate(emitted.telemetry, EvaluateInfo(**given | info), None if trial is None else trial.context)


def _identity(scope: CompileScope) -> dict[str, Any]:
    return {
        "dspy.compile.id": scope.id,
        "dspy.optimizer.name": "Opt",
        "dspy.program.name": "Solver",
        "dspy.metric.name": "exact",
    }


def test_an_optimization_with_one_trial() -> None:
    """Every span with all its attributes, where everything is captured."""
    emitted = Emitted(**EVERYTHING)
    telemetry = emitted.telemetry
    scope = _compile(emitted)
    datasets = [DatasetInfo(role="train", name="trainset", examples=[EXAMPLE])]
    setup = SetupInfo(
        program=INITIAL, parameters={"auto": "light"}, lm_model="m", lm_parameters={"n": 1}, datasets=datasets
    )
    emit_setup(telemetry, scope, setup)
    emit_setup(telemetry, scope, setup)
    trial = open_trial(telemetry, scope)
    evaluation = _evaluate(emitted, trial)
    example = open_example(telemetry, evaluation, 0, EXAMPLE)
    outcome = ExampleOutcome(
        prediction=dspy.Prediction(a="2"), score=1.0, feedback="ok", label="pass", objectives={"r": 0.5}
    )
    close_example(telemetry, example, outcome)
    close_evaluate(telemetry, evaluation, EvaluateOutcome(score=100.0, program=CANDIDATE))
    info = TrialInfo(
        kind=TrialKind.BASELINE,
        label="baseline",
        parameters={"seed": 3},
        parent_program_ids=("p0",),
        candidate={"x": "y"},
        derived=True,
        reason="why",
        measures={"loss": 0.5},
        scores=[{"id": 1}],
        pareto_front=[{"id": 2}],
    )
    close_trial(telemetry, trial, info, TrialOutcome(score=100.0, program=CANDIDATE))
    close_compile(telemetry, scope, result=CANDIDATE, error=None)

    assert emitted.tree() == [
        (1, None, "compile Opt"),
        (2, 1, "setup Opt"),
        (3, 2, "dataset train"),
        (4, 1, "trial Opt"),
        (5, 4, "evaluate exact"),
        (6, None, "example exact"),
    ]
    assert emitted.attributes(1) == {
        "dspy.operation.name": "compile",
        **_identity(scope),
        **NO_USAGE,
        "dspy.optimizer.parameter.auto": "light",
        "dspy.compile.trial.count": 1,
        "dspy.compile.initial_score": 100.0,
        "dspy.compile.best_score": 100.0,
        "dspy.compile.best_trial.index": 0,
        "dspy.trial.score.unit": "percent",
        "dspy.program.id": "p1",
    }
    assert emitted.attributes(2) == {
        "dspy.operation.name": "setup",
        **_identity(scope),
        "dspy.optimizer.parameter.auto": "light",
        "dspy.lm.model": "m",
        "dspy.lm.parameter.n": 1,
        "dspy.program.id": "p0",
        "dspy.program.state": '{"a": 1}',
    }
    assert emitted.attributes(3) == {
        "dspy.operation.name": "dataset",
        "dspy.compile.id": scope.id,
        "dspy.dataset.role": "train",
        "dspy.dataset.id": "d9a92c5b0e5a4f75",
        "dspy.dataset.name": "trainset",
        "dspy.dataset.size": 1,
        "dspy.dataset.fields": ("q", "a"),
        "dspy.dataset.input_fields": ("q",),
        "dspy.dataset.rows": '[{"q":"1+1","a":"2"}]',
    }
    assert emitted.attributes(4) == {
        "dspy.operation.name": "trial",
        "dspy.compile.id": scope.id,
        "dspy.optimizer.name": "Opt",
        "dspy.trial.index": 0,
        "dspy.trial.parameter.seed": 3,
        "dspy.trial.measure.loss": 0.5,
        "dspy.trial.kind": "baseline",
        "dspy.trial.scope": "full",
        "dspy.trial.state": "complete",
        "dspy.trial.is_best": True,
        "dspy.trial.label": "baseline",
        "dspy.trial.reason": "why",
        "dspy.trial.derived": True,
        "dspy.trial.best_score": 100.0,
        "dspy.trial.score": 100.0,
        "dspy.evaluate.num_examples": 1,
        "dspy.trial.score.unit": "percent",
        "dspy.trial.candidate": '{"x":"y"}',
        "dspy.trial.scores": '[{"id":1}]',
        "dspy.trial.pareto.front": '[{"id":2}]',
        "dspy.program.id": "p1",
        "dspy.program.parent.ids": ("p0",),
        "dspy.program.state": '{"a": 2}',
        **NO_USAGE,
        **NO_COMPILE_USAGE,
    }
    belonging = {
        "dspy.program.name": "Solver",
        "dspy.metric.name": "exact",
        "dspy.compile.id": scope.id,
        "dspy.trial.index": 0,
    }
    row = (
        '{"index":0,"id":"9729aa89b94db2a3","score":1.0,"objectives":{"r":0.5},"inputs":{"q":"1+1"},'
        '"labels":{"a":"2"},"prediction":{"a":"2"},"feedback":"ok"}'
    )
    assert emitted.attributes(5) == {
        "dspy.operation.name": "evaluate",
        **belonging,
        **NO_USAGE,
        "dspy.evaluate.num_examples": 1,
        "dspy.evaluate.num_errors": 0,
        "dspy.evaluate.scope": "full",
        "dspy.evaluate.score": 100.0,
        "dspy.evaluate.objective.r": 0.5,
        "dspy.evaluate.results": f"[{row}]",
        "dspy.dataset.id": "d9a92c5b0e5a4f75",
        "dspy.program.id": "p1",
    }
    assert emitted.attributes(6) == {
        "dspy.operation.name": "example",
        **belonging,
        **NO_USAGE,
        "dspy.example.index": 0,
        "dspy.example.id": "9729aa89b94db2a3",
        "dspy.example.score": 1.0,
        "dspy.example.objective.r": 0.5,
        "dspy.example.inputs": '{"q":"1+1"}',
        "dspy.example.labels": '{"a":"2"}',
        "dspy.example.prediction": '{"a":"2"}',
        "dspy.example.feedback": "ok",
    }
    assert [link.context.span_id for link in emitted.spans[6].links] == [5]
    opened = {"dspy.compile.id": scope.id, "dspy.optimizer.name": "Opt"}
    assert emitted.events() == [
        ("dspy.compile.started", 1, {**opened, "dspy.program.name": "Solver"}),
        (
            "gen_ai.evaluation.result",
            6,
            {
                "gen_ai.evaluation.name": "exact",
                "gen_ai.evaluation.score.value": 1.0,
                "gen_ai.evaluation.score.label": "pass",
                "gen_ai.evaluation.explanation": "ok",
            },
        ),
        (
            "dspy.trial.completed",
            4,
            {
                **opened,
                "dspy.trial.index": 0,
                "dspy.trial.kind": "baseline",
                "dspy.trial.state": "complete",
                "dspy.trial.score": 100.0,
            },
        ),
        (
            "dspy.compile.completed",
            1,
            {
                **opened,
                "dspy.program.name": "Solver",
                "dspy.compile.trial.count": 1,
                "dspy.compile.best_score": 100.0,
            },
        ),
    ]
    optimizer, metric = {"dspy.optimizer.name": "Opt"}, {"dspy.metric.name": "exact"}
    assert emitted.points() == {
        "dspy.compile.active": [(optimizer, 0)],
        "dspy.compile.duration": [(optimizer, 1)],
        "dspy.compile.best_score": [({**optimizer, **metric}, 100.0)],
        "dspy.trial.duration": [(optimizer, 1)],
        "dspy.trial.score": [({**optimizer, **metric}, 100.0)],
        "dspy.evaluate.duration": [(metric, 1)],
        "dspy.evaluate.examples": [(metric, 1)],
    }


def test_an_optimization_that_fails() -> None:
    """The error's type is on every span and signal, its message on the innermost span and on those that become runs."""
    emitted = Emitted()
    telemetry, error = emitted.telemetry, ValueError("no verdict")
    scope = _compile(emitted, metric_name=None)
    emit_setup(
        telemetry,
        scope,
        SetupInfo(
            program=INITIAL,
            parameters={},
            lm_model=None,
            datasets=[DatasetInfo(role="train", name="t", examples=[EXAMPLE])],
        ),
    )
    trial = open_trial(telemetry, scope)
    evaluation = _evaluate(emitted, trial, metric_name=None)
    example = open_example(telemetry, evaluation, 0, EXAMPLE)
    close_example(telemetry, example, ExampleOutcome(error=error, feedback="no"))
    close_evaluate(telemetry, evaluation, EvaluateOutcome(error=error))
    info = TrialInfo(candidate={"x": "y"}, scope=Scope.MINIBATCH)
    close_trial(telemetry, trial, info, TrialOutcome(error=error))
    assert emitted.points()["dspy.compile.active"] == [({"dspy.optimizer.name": "Opt"}, 1)]
    close_compile(telemetry, scope, result=None, error=error)

    failed = {"error.type": "ValueError"}
    place = {"dspy.compile.id": scope.id, "dspy.optimizer.name": "Opt"}
    of_trial = {"dspy.program.name": "Solver", "dspy.compile.id": scope.id, "dspy.trial.index": 0}
    assert emitted.attributes(1) == {
        "dspy.operation.name": "compile", "dspy.program.name": "Solver", **place, **NO_USAGE, **FAILURE, **failed,
        "dspy.compile.trial.count": 1,
    }  # fmt: skip
    assert emitted.attributes(2) == {
        "dspy.operation.name": "setup", "dspy.program.name": "Solver", **place, "dspy.program.id": "p0"
    }  # fmt: skip
    assert "dspy.dataset.rows" not in emitted.attributes(3)
    assert emitted.attributes(4) == {
        "dspy.operation.name": "trial", **place, **NO_USAGE, **NO_COMPILE_USAGE, **FAILURE, **failed,
        "dspy.trial.index": 0, "dspy.trial.kind": "candidate", "dspy.trial.scope": "minibatch",
        "dspy.trial.state": "fail", "dspy.trial.is_best": False,
    }  # fmt: skip
    assert emitted.attributes(5) == {
        "dspy.operation.name": "evaluate", **of_trial, **NO_USAGE, **FAILURE, **failed,
        "dspy.evaluate.num_examples": 1, "dspy.evaluate.num_errors": 1, "dspy.evaluate.scope": "full",
        "dspy.evaluate.results": '[{"index":0,"id":"9729aa89b94db2a3","error":"ValueError"}]',
        "dspy.dataset.id": "d9a92c5b0e5a4f75",
    }  # fmt: skip
    assert emitted.attributes(6) == {
        "dspy.operation.name": "example", **of_trial, **NO_USAGE, **failed,
        "dspy.example.index": 0, "dspy.example.id": "9729aa89b94db2a3", "dspy.example.error.message": "no verdict",
    }  # fmt: skip
    assert [(span.name, span.status.status_code, span.status.description) for _, span in sorted(emitted.spans.items())] == [
        ("compile Opt", StatusCode.ERROR, "no verdict"),
        ("setup Opt", StatusCode.UNSET, None),
        ("dataset train", StatusCode.UNSET, None),
        ("trial Opt", StatusCode.ERROR, "no verdict"),
        ("evaluate", StatusCode.ERROR, "no verdict"),
        ("example", StatusCode.ERROR, "no verdict"),
    ]  # fmt: skip
    assert emitted.events()[1:] == [
        ("gen_ai.evaluation.result", 6, {"gen_ai.evaluation.name": "metric", **failed}),
        (
            "dspy.trial.completed",
            4,
            {**place, **failed, "dspy.trial.index": 0, "dspy.trial.kind": "candidate", "dspy.trial.state": "fail"},
        ),
        (
            "dspy.compile.completed",
            1,
            {**place, **failed, "dspy.program.name": "Solver", "dspy.compile.trial.count": 1},
        ),
    ]
    optimizer = {"dspy.optimizer.name": "Opt"}
    assert emitted.points() == {
        "dspy.compile.active": [(optimizer, 0)],
        "dspy.compile.duration": [({**optimizer, **failed}, 1)],
        "dspy.trial.duration": [({**optimizer, **failed}, 1)],
        "dspy.evaluate.duration": [(failed, 1)],
        "dspy.evaluate.examples": [(failed, 1)],
    }


@pytest.mark.contract_gaps("and the calls below sum up to 0")  # the usage is counted without a call
def test_what_a_nested_compile_shares_with_the_outer_one() -> None:
    """It names the outer compile and its trial; rows that the outer one has recorded are not repeated; usage adds up."""
    emitted = Emitted(**EVERYTHING)
    telemetry = emitted.telemetry
    outer = _compile(emitted)
    data = SetupInfo(
        program=INITIAL,
        parameters={},
        lm_model=None,
        datasets=[
            DatasetInfo(role="train", name="trainset", examples=[EXAMPLE]),
            DatasetInfo(role="validation", name="valset", examples=[OTHER]),
        ],
    )
    emit_setup(telemetry, outer, data)
    trial = open_trial(telemetry, outer)
    with current(trial.context):
        inner = _compile(emitted, optimizer_name="Inner", role="prompt")
    assert call_context_in(inner.context).role == "prompt"
    mixed = [
        DatasetInfo(role="train", name="trainset", examples=[OTHER, EXAMPLE]),
        DatasetInfo(role="validation", name="valset", examples=[EXAMPLE, LARGE]),
        DatasetInfo(role="validation", name="valset", examples=[EXAMPLE, LARGE]),
    ]
    emit_setup(telemetry, inner, SetupInfo(program=INITIAL, parameters={}, lm_model=None, datasets=mixed))
    inner.usage.add(CallUsage(input_tokens=3, output_tokens=4, cost=0.5), "task", "gpt")
    close_compile(telemetry, inner, result=CANDIDATE, error=None)
    close_trial(telemetry, trial, TrialInfo(), TrialOutcome(state=TrialState.PRUNED))
    close_compile(telemetry, outer, result=None, error=None)

    named = {
        "dspy.compile.id": inner.id,
        "dspy.compile.parent.id": outer.id,
        "dspy.compile.parent.trial.index": 0,
        "dspy.compile.depth": 1,
        "dspy.optimizer.name": "Inner",
        "dspy.program.name": "Solver",
        "dspy.metric.name": "exact",
    }
    used = {
        f"dspy.{prefix}usage.{part}{name}": value
        for prefix in ("", "compile.")
        for part in ("", "role.task.", "model.gpt.")
        for name, value in {"input_tokens": 3, "output_tokens": 4, "lm_calls": 1, "cost": 0.5}.items()
    }
    used |= {f"dspy.{prefix}usage.{part}cache_hits": 0 for prefix in ("", "compile.") for part in ("", "role.task.")}
    own = {name: value for name, value in used.items() if not name.startswith("dspy.compile.")}
    assert emitted.tree() == [
        (1, None, "compile Opt"),
        (2, 1, "setup Opt"),
        (3, 2, "dataset train"),
        (4, 2, "dataset validation"),
        (5, 1, "trial Opt"),
        (6, 5, "compile Inner"),
        (7, 6, "setup Inner"),
        (8, 7, "dataset train"),
        (9, 7, "dataset validation"),
    ]
    assert emitted.attributes(6) == {
        "dspy.operation.name": "compile", **named, **own, "dspy.compile.trial.count": 0, "dspy.program.id": "p1", "dspy.program.state": CANDIDATE.state,
    }  # fmt: skip
    assert emitted.attributes(7) == {
        "dspy.operation.name": "setup", **named, "dspy.program.id": "p0", "dspy.program.state": '{"a": 1}'
    }  # fmt: skip
    assert "dspy.dataset.rows" not in emitted.attributes(8)
    assert emitted.attributes(9)["dspy.dataset.rows"] == f'[{{"q":"1+1","a":"2"}},{{"picture":"{PICTURE}"}}]'
    assert emitted.attributes(5) == {
        "dspy.operation.name": "trial", "dspy.compile.id": outer.id, "dspy.optimizer.name": "Opt",
        "dspy.trial.index": 0, "dspy.trial.kind": "candidate", "dspy.trial.scope": "full",
        "dspy.trial.state": "pruned", "dspy.trial.is_best": False, **used,
    }  # fmt: skip
    assert {name: value for name, value in emitted.attributes(1).items() if "usage" in name} == own


def test_a_second_nested_compile_is_deeper() -> None:
    """Depth 2, below the compile around it; without a trial there is no index of one."""
    emitted = Emitted()
    scopes: list[CompileScope] = [_compile(emitted)]
    for _ in range(2):
        with current(scopes[-1].context):
            scopes.append(_compile(emitted))
    for scope in reversed(scopes):
        close_compile(emitted.telemetry, scope, result=None, error=None)
    found = [
        {name: value for name, value in emitted.attributes(number).items() if "parent" in name or "depth" in name}
        for number in (1, 2, 3)
    ]
    assert found == [
        {},
        {"dspy.compile.parent.id": scopes[0].id, "dspy.compile.depth": 1},
        {"dspy.compile.parent.id": scopes[1].id, "dspy.compile.depth": 2},
    ]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (TrialOutcome(), {"state": "complete", "is_best": False}),
        (TrialOutcome(score=0.5, unit=ScoreUnit.RATIO), {"state": "complete", "is_best": True, "best_score": 0.5,
                                                         "score": 0.5, "score.unit": "ratio"}),
        (TrialOutcome(score=0.5, state=TrialState.REJECTED), {"state": "rejected", "is_best": True, "best_score": 0.5,
                                                             "score": 0.5, "score.unit": "percent"}),
        (TrialOutcome(score=0.5, state=TrialState.FAIL), {"state": "fail", "is_best": False, "score": 0.5,
                                                         "score.unit": "percent"}),
        (TrialOutcome(score=0.5, error=ValueError()), {"state": "fail", "is_best": False, "score": 0.5,
                                                      "score.unit": "percent"}),
        (TrialOutcome(error=ValueError(), state=TrialState.PRUNED), {"state": "pruned", "is_best": False}),
    ],
)  # fmt: skip
def test_states_and_scores_of_a_trial(outcome: TrialOutcome, expected: dict[str, Any]) -> None:
    """What the optimizer reports of the trial, else whether it raised; a trial that failed is never the best."""
    emitted = Emitted()
    scope = _compile(emitted)
    trial = open_trial(emitted.telemetry, scope)
    close_trial(emitted.telemetry, trial, TrialInfo(), outcome)
    close_compile(emitted.telemetry, scope, result=None, error=None)
    found = {
        name.removeprefix("dspy.trial."): value
        for name, value in emitted.attributes(2).items()
        if name.startswith("dspy.trial.")
    }
    assert found == {"index": 0, "kind": "candidate", "scope": "full", **expected}
    assert scope.score_unit == expected.get("score.unit")


def test_trials_are_numbered_and_record_an_error_that_the_optimizer_caught() -> None:
    """A trial outside its compile's context is its child; what was raised inside makes it fail."""
    emitted = Emitted()
    scope = _compile(emitted)
    first = open_trial(emitted.telemetry, scope)
    second = open_trial(emitted.telemetry, scope, Context())
    second.error = KeyError("x")
    for trial in (second, first):
        close_trial(emitted.telemetry, trial, TrialInfo(), TrialOutcome())
    close_compile(emitted.telemetry, scope, result=None, error=None)
    assert emitted.tree() == [(1, None, "compile Opt"), (2, 1, "trial Opt"), (3, 1, "trial Opt")]
    assert [emitted.attributes(number)["dspy.trial.index"] for number in (2, 3)] == [0, 1]
    assert emitted.attributes(3)["error.type"] == "KeyError"
    assert emitted.attributes(3)["dspy.trial.state"] == "fail"
