"""Spans, log events and metrics of a whole optimization, from the compile to its examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
from opentelemetry.trace import StatusCode

from otel_dspy.telemetry.spans.compile import close_compile
from otel_dspy.telemetry.spans.evaluate import (
    EvaluateInfo,
    EvaluateOutcome,
    close_evaluate,
    open_evaluate,
)
from otel_dspy.telemetry.spans.example import open_example
from otel_dspy.telemetry.spans.example_result import ExampleOutcome, close_example
from otel_dspy.telemetry.spans.setup import DatasetInfo, SetupInfo, emit_setup
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import Scope, TrialInfo, TrialKind, TrialOutcome
from tests.unit.telemetry.spans.emitted import Emitted
from tests.unit.telemetry.spans.opened_spans import CANDIDATE, EVERYTHING, EXAMPLE, INITIAL, opened_compile

if TYPE_CHECKING:
    from otel_dspy.telemetry.open_scopes import CompileScope, EvaluateScope, TrialScope

UNUSED = {"input_tokens": 0, "output_tokens": 0, "lm_calls": 0, "cache_hits": 0, "cost": 0.0}
NO_USAGE = {f"dspy.usage.{name}": value for name, value in UNUSED.items()}
NO_COMPILE_USAGE = {f"dspy.compile.usage.{name}": value for name, value in UNUSED.items()}
FAILURE = {
    "dspy.failures.examples": 1,
    "dspy.failures.all": True,
    "dspy.failures.first.type": "ValueError",
    "dspy.failures.first.message": "no verdict",
}


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
    scope = opened_compile(emitted)
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
    scope = opened_compile(emitted, metric_name=None)
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
