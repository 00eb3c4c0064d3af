"""KNNFewShot: one compile that prepares; what each call compiles is recorded in the call's trace only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import numpy as np
import pytest
from dspy.teleprompt import BootstrapFewShotWithRandomSearch, KNNFewShot
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.breaking_point import BreakingPoint
from tests.support.learning_lm import learning_lm
from tests.support.optimizer_runs import drawn, tracked_tree
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path


def _first_term(texts: list[str]) -> Any:
    """An embedding without a model: near in their first term."""
    numbers = [int(text.split("question: ")[-1].split("|")[0].strip().split("+")[0]) for text in texts]
    return np.array([[np.cos(number / 10), np.sin(number / 10)] for number in numbers], dtype=np.float32)


_PREPARING = 1
"""Calls of the embedder before the program is there: of all examples at once."""


def _prepared(point: BreakingPoint | None = None) -> Any:
    def embed(texts: list[str]) -> Any:
        if point is not None:
            point.pass_by()
        return _first_term(texts)

    metric = exact if point is None else point.metric
    further: Any = {"metric": metric, "max_bootstrapped_demos": 1, "max_labeled_demos": 1}
    optimizer = KNNFewShot(2, examples(6), dspy.Embedder(embed, caching=False), **further)
    return optimizer.compile(dspy.Predict("question -> answer"))


def test_a_call_s_compile_is_a_part_of_the_call() -> None:
    """The optimizer's own compile has a setup and its training set; each call's compile is a span inside the call."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        program = _prepared()
        program(question="3+1")
    assert recorder.tree("compile", "compile.", "dataset.size", "usage.lm_calls") == snapshot(
        [
            "compile KNNFewShot compile.id=c1 compile.trial.count=0 usage.lm_calls=0",
            "  setup KNNFewShot compile.id=c1",
            "    dataset train compile.id=c1 dataset.size=6",
        ]
    )
    assert recorder.tree("module", "compile.", "usage.lm_calls") == snapshot(
        [
            "module Predict",
            "  embeddings embed",
            "  compile BootstrapFewShot compile.id=c2 compile.in_call=True compile.trial.count=0 usage.lm_calls=1",
            "    compile LabeledFewShot compile.id=c3 compile.in_call=True compile.trial.count=0 usage.lm_calls=0",
            "    module Predict",
            "      chat scripted",
            "  module Predict",
            "    chat scripted",
        ]
    )
    (setup,) = recorder.named("setup")
    prefix = "dspy.optimizer.parameter."
    attributes = setup.attributes or {}
    parameters = {name.removeprefix(prefix): attributes[name] for name in attributes if name.startswith(prefix)}
    assert parameters == snapshot(
        {
            "k": 2,
            "vectorizer": "Embedder",
            "few_shot_bootstrap_args.metric": "exact",
            "few_shot_bootstrap_args.max_bootstrapped_demos": 1,
            "few_shot_bootstrap_args.max_labeled_demos": 1,
        }
    )
    assert {name for name, _ in recorder.events()} == {"dspy.compile.started", "dspy.compile.completed"}


def test_answers_are_those_without_telemetry() -> None:
    """The demos that a call finds, and its answer, are the same with and without us."""

    def ask() -> tuple[str, list[Any]]:
        lm = addition_lm()
        with dspy.context(lm=lm):
            answer = _prepared()(question="3+1").answer
        history: list[Any] = lm.history
        return answer, [entry["messages"] for entry in history]

    plain = ask()
    with recording():
        assert ask() == plain


def test_an_optimizer_of_such_a_program_keeps_its_own_trials() -> None:
    """Evaluated inside another compile, its calls open no trials and no compiles there; their LM calls are counted."""
    with dspy.context(lm=addition_lm()):
        program = _prepared()
        with recording() as recorder:
            evaluate = BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=0, num_threads=1)
            evaluate.compile(program, trainset=examples(3), restrict=[-3])
    tree = recorder.tree("compile", "trial.index", "trial.score", "compile.trial", "usage.lm_calls")
    assert [line for line in tree if not line.lstrip().startswith(("module", "chat"))] == snapshot(
        [
            "compile BootstrapFewShotWithRandomSearch compile.trial.count=1 trial.score.unit=percent usage.lm_calls=8",
            "  setup BootstrapFewShotWithRandomSearch",
            "    dataset train",
            "    dataset validation",
            "  trial BootstrapFewShotWithRandomSearch trial.index=0 trial.score=33.33 trial.score.unit=percent usage.lm_calls=8",
            "    evaluate exact trial.index=0 usage.lm_calls=8",
        ]
    )
    assert all(
        "dspy.compile.parent.id" not in (span.attributes or {}) and (span.attributes or {})["dspy.compile.in_call"]
        for name in ("compile BootstrapFewShot", "compile LabeledFewShot")
        for span in recorder.named(name)
        if span.name == name
    )


@pytest.mark.parametrize("kind", [ArithmeticError, KeyboardInterrupt])
def test_whichever_call_of_a_program_call_breaks(kind: type[BaseException]) -> None:
    """The embedder's, the model's, the metric's: result, error and number of calls are the same with us.

    The compile inside of the call names the error where it came through, and no trial or run is made of it.
    """

    def ask(point: BreakingPoint) -> tuple[Any, ...]:
        with dspy.context(lm=learning_lm(before=point.pass_by)):
            program = _prepared(point)
            try:
                return program(question="4+1"), point.calls
            except BaseException as error:  # noqa: BLE001 - whichever it is, it is compared
                return type(error), str(error), error is point.error, point.calls

    counted = BreakingPoint()
    ask(counted)
    assert counted.calls > 5
    raised = 0
    for at in range(_PREPARING, counted.calls):
        without = ask(BreakingPoint(at, kind("broken here")))
        with recording() as recorder:
            assert ask(BreakingPoint(at, kind("broken here"))) == without, at
        assert recorder.attributes_of("trial") == []
        came_through = isinstance(without[0], type)
        raised += came_through
        (module, *_) = [span for span in recorder.named("module") if span.parent is None]
        assert module.status.is_ok is not came_through
    assert raised == counted.calls - _PREPARING if kind is KeyboardInterrupt else raised < counted.calls - _PREPARING


def test_mlflow_is_not_flooded(tmp_path: Path) -> None:
    """One run for the optimizer's compile and one for the evaluation; each call is a trace, and no run."""

    def use() -> Any:
        with dspy.context(lm=addition_lm()):
            program = _prepared()
            program(question="3+1")
            return dspy.Evaluate(devset=examples(4), metric=exact, num_threads=2)(program)

    result, tree = tracked_tree(tmp_path, use)
    assert [line for run in tree.runs for line in drawn(run)] == snapshot(
        [
            "KNNFewShot Predict: FINISHED",
            "  params few_shot_bootstrap_args.max_bootstrapped_demos=1, few_shot_bootstrap_args.max_labeled_demos=1, few_shot_bootstrap_args.metric=exact, k=2, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, vectorizer=Embedder",
            "  metrics usage/lm_calls=0.0",
            "  artifacts best_model.json, initial_model.json, optimization_summary.json, trainset.json",
            "  1 traces",
            "evaluate Predict: FINISHED",
            "  metrics score/errors=0.0, score/full=50.0, usage/lm_calls=10.0",
            "  artifacts evalset.json, model.json, result_table.json",
            "  5 traces",
        ]
    )
    evaluation = tree.runs[-1]
    assert evaluation.metrics["score/full"] == ((0, result.score),)
    assert [[span.name for span in trace.walk()] for trace in tree.traces] == snapshot(
        [
            ["embeddings embed"],
            [
                "module Predict",
                "embeddings embed",
                "compile BootstrapFewShot",
                "compile LabeledFewShot",
                "module Predict",
                "chat scripted",
                "module Predict",
                "chat scripted",
            ],
        ]
    )
