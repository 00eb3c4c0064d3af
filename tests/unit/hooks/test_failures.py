"""Failures leave a true record, and the program meets exactly what it would meet without us."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import dspy
import pytest
from inline_snapshot import snapshot

from otel_dspy.runtime import error_guard
from tests.support.addition_task import addition_lm, exact, examples, raising_metric
from tests.support.in_process_lm import engine_of
from tests.support.optimizers import Breaking, Rounds
from tests.support.span_recorder import recording
from tests.support.with_and_without import outcome, same_with_and_without


def _score(metric: Any, max_errors: int) -> float:
    evaluate = dspy.Evaluate(devset=examples(4), metric=metric, num_threads=1, max_errors=max_errors)
    return cast("Any", evaluate(dspy.Predict("question -> answer"))).score


def test_a_metric_that_raises_counts_as_dspy_counts_it() -> None:
    """DSPy scores the example 0 and goes on; the example is an error, the evaluation is not."""

    def run() -> Any:
        with dspy.context(lm=addition_lm()):
            return _score(raising_metric, 100)

    recorder = same_with_and_without(run)
    (evaluate,) = recorder.named("evaluate")
    assert evaluate.status.is_ok
    assert evaluate.attributes["dspy.evaluate.num_errors"] == 1
    failed = [span for span in recorder.spans if not span.status.is_ok]
    assert [(s.name, s.attributes["error.type"], s.status.description) for s in failed] == [
        ("metric raising_metric", "ValueError", "the metric is broken"),
        ("example raising_metric", "ValueError", None),
    ]
    assert evaluate.attributes["dspy.evaluate.results"] == snapshot(
        '[{"index":0,"id":"bfe2e71e9315e6cf","error":"ValueError"},{"index":1,"id":"473159302de95433","score":1.0},{"index":2,"id":"9314af874c1399fa","score":0.0},{"index":3,"id":"7f8d08afc28dd7ea","score":1.0}]'
    )


def test_an_lm_that_is_down_fails_every_example() -> None:
    """Each example carries the LM's error; the message stands once, on the LM's span; `max_errors` ends it as ever."""

    def run() -> Any:
        lm = addition_lm()
        engine_of(lm).failures = [dspy.lm15.ServerError("down") for _ in range(50)]
        with dspy.context(lm=lm):
            return _score(exact, 3)

    recorder = same_with_and_without(run)
    (evaluate,) = recorder.named("evaluate")
    assert not evaluate.status.is_ok
    assert recorder.tree("example", "error.type") == snapshot(
        [
            "example exact error.type=dspy.utils.exceptions.LMServerError ERROR()",
            "  module Predict error.type=dspy.utils.exceptions.LMServerError ERROR()",
            "    chat scripted error.type=dspy.utils.exceptions.LMServerError ERROR([openai/scripted] down)",
            "example exact error.type=dspy.utils.exceptions.LMServerError ERROR()",
            "  module Predict error.type=dspy.utils.exceptions.LMServerError ERROR()",
            "    chat scripted error.type=dspy.utils.exceptions.LMServerError ERROR([openai/scripted] down)",
            "example exact error.type=dspy.utils.exceptions.LMServerError ERROR()",
            "  module Predict error.type=dspy.utils.exceptions.LMServerError ERROR()",
            "    chat scripted error.type=dspy.utils.exceptions.LMServerError ERROR([openai/scripted] down)",
        ]
    )


@pytest.mark.parametrize("error", [RuntimeError("no luck"), KeyboardInterrupt(), asyncio.CancelledError()])
def test_a_compile_that_raises_is_recorded_and_raises(error: BaseException) -> None:
    """The compile is an error with the exception's type, keeps its finished trial, and names no resulting program."""

    def run() -> Any:
        with dspy.context(lm=addition_lm()):
            return Breaking(error).compile(dspy.Predict("question -> answer"), trainset=examples(2))

    recorder = same_with_and_without(run)
    (compiled,) = recorder.named("compile")
    assert compiled.attributes["error.type"].endswith(type(error).__name__)
    assert compiled.attributes["dspy.compile.trial.count"] == 1
    assert "dspy.program.id" not in compiled.attributes
    assert [span.attributes["dspy.trial.state"] for span in recorder.named("trial")] == ["complete"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), asyncio.CancelledError()], ids=["Ctrl-C", "cancelled"])
def test_an_interrupted_example_is_not_a_failure(stop: BaseException) -> None:
    """It has no result in the report, so that no count of failures has it either; the one before it failed."""
    calls = iter(range(100))

    def metric(_example: Any, _prediction: Any, _trace: Any = None) -> float:
        raise ValueError("no") if next(calls) == 0 else stop

    with recording() as recorder, dspy.context(lm=addition_lm()), pytest.raises(type(stop)):
        _score(metric, 100)
    (evaluate,) = recorder.named("evaluate")
    names = ("dspy.evaluate.num_errors", "dspy.failures.examples", "dspy.failures.all", "dspy.failures.first.type")
    found = dict(evaluate.attributes or {})
    assert [found[name] for name in names] == [1, 1, True, "ValueError"]


def test_an_interrupt_in_the_middle_of_an_evaluation() -> None:
    """Ctrl-C in an LM call ends the example, the evaluation, the trial and the compile, and reaches the user."""
    calls = iter(range(100))

    def run() -> Any:
        lm = addition_lm()
        engine = engine_of(lm)
        answer = engine.script

        def interrupted(messages: Any) -> Any:
            if next(calls) % 2 == 1:
                raise KeyboardInterrupt
            return answer(messages)

        engine.script = interrupted
        with dspy.context(lm=lm):
            return Rounds(exact).compile(dspy.Predict("question -> answer"), trainset=examples(4))

    recorder = same_with_and_without(run)
    assert recorder.tree("compile", "error.type", "trial.state", "trial.score") == snapshot(
        [
            "compile Rounds error.type=KeyboardInterrupt ERROR()",
            "  setup Rounds",
            "    dataset train",
            "  trial Rounds trial.state=fail error.type=KeyboardInterrupt ERROR()",
            "    evaluate exact error.type=KeyboardInterrupt ERROR()",
        ]
    )


def test_mipro_continues_where_it_catches_an_evaluations_error() -> None:
    """MIPROv2 takes a failed evaluation for 0.0; the trial has the state fail, the error and the score."""

    def failing(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> float:
        if trace is None:  # an evaluation; bootstrapping passes its trace
            raise TypeError("never scored")
        return exact(example, prediction)

    def run() -> Any:
        with dspy.context(lm=addition_lm()):
            optimizer = dspy.MIPROv2(
                failing,
                auto=None,
                num_candidates=2,
                num_threads=1,
                max_bootstrapped_demos=0,
                max_labeled_demos=0,
                max_errors=1,
            )
            return optimizer.compile(
                dspy.Predict("question -> answer"),
                trainset=examples(2),
                valset=examples(2),
                num_trials=1,
                minibatch=False,
            ).score

    recorder = same_with_and_without(run)
    trials = [
        {
            name.removeprefix("dspy.trial."): value
            for name, value in span.attributes.items()
            if name.startswith(("dspy.trial", "error"))
        }
        for span in recorder.named("trial")
    ]
    assert trials == snapshot(
        [
            {
                "index": 0,
                "kind": "baseline",
                "scope": "full",
                "state": "fail",
                "is_best": True,
                "label": "default program",
                "best_score": 0.0,
                "score": 0.0,
                "score.unit": "percent",
                "error.type": "Exception",
            },
            {
                "index": 1,
                "kind": "candidate",
                "scope": "full",
                "state": "fail",
                "is_best": False,
                "parameter.0_predictor_instruction": 1,
                "label": "trial 2",
                "best_score": 0.0,
                "score": 0.0,
                "score.unit": "percent",
                "error.type": "Exception",
            },
        ]
    )


def test_a_failure_of_the_telemetry_does_not_reach_the_program(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With every span refusing to start, the optimization gives what it gives without us; it is logged once a part."""

    def run() -> Any:
        with dspy.context(lm=addition_lm()):
            program = Rounds(exact).compile(dspy.ChainOfThought("question -> answer"), trainset=examples(3))
            evaluate = dspy.Evaluate(devset=examples(4), metric=exact, num_threads=2)
            return cast("Any", evaluate(program)).score

    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise MemoryError("the telemetry is broken")

    without = outcome(run)
    before = error_guard.failures()
    with recording() as recorder:
        monkeypatch.setattr("opentelemetry.sdk.trace.Tracer.start_span", refuse)
        assert outcome(run) == without
    assert list(recorder.spans) == []
    parts = {part for part, count in error_guard.failures().items() if count > before.get(part, 0)}
    assert parts == snapshot(
        {"the span of a compile", "the span of a module", "the span of an LM call", "the span of an evaluation"}
    )
    for part in parts:
        assert len([record.message for record in caplog.records if part in record.message]) == 1, part
