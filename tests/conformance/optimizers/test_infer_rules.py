"""InferRules: a bootstrap, then candidates with the rules that were induced for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dspy
from dspy.teleprompt import InferRules
from inline_snapshot import snapshot

from tests.support.addition_task import exact, examples
from tests.support.learning_lm import learning_lm
from tests.support.optimizer_runs import tracked_runs
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SHOWN = ("trial.", "phase.name", "compile.best", "compile.parent", "dataset.size")


def _optimize() -> Any:
    optimizer: Any = InferRules(
        num_candidates=3, num_rules=1, num_threads=1, metric=exact, max_bootstrapped_demos=1, max_labeled_demos=0
    )
    with dspy.context(lm=learning_lm()):
        return optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(12)[::-1])


def test_the_control_trace_contains_the_rules_of_each_candidate() -> None:
    """One compile with its bootstrap; the induction of a candidate's rules is a part of its trial."""
    with recording(capture_programs=True) as recorder:
        _optimize()
    assert recorder.control("compile", *SHOWN) == snapshot(
        [
            "compile InferRules compile.best_score=100.0 compile.best_trial.index=2 trial.score.unit=percent",
            "  setup InferRules",
            "    dataset train dataset.size=12",
            "    dataset validation dataset.size=6",
            "  phase bootstrap phase.name=bootstrap",
            "    evaluate exact phase.name=bootstrap",
            '  trial InferRules trial.best_score=83.33 trial.candidate={"self":{"rules":"Knows 1."}} trial.index=0 trial.is_best=True trial.kind=candidate trial.label=candidate 0 trial.parameter.candidate=0 trial.scope=full trial.score=83.33 trial.score.unit=percent trial.state=complete',
            "    phase induce phase.name=induce",
            "    evaluate exact trial.index=0",
            '  trial InferRules trial.best_score=83.33 trial.candidate={"self":{"rules":"Knows 2."}} trial.index=1 trial.is_best=False trial.kind=candidate trial.label=candidate 1 trial.parameter.candidate=1 trial.scope=full trial.score=83.33 trial.score.unit=percent trial.state=complete',
            "    phase induce phase.name=induce",
            "    evaluate exact trial.index=1",
            '  trial InferRules trial.best_score=100.0 trial.candidate={"self":{"rules":"Knows 3."}} trial.index=2 trial.is_best=True trial.kind=candidate trial.label=candidate 2 trial.parameter.candidate=2 trial.scope=full trial.score=100.0 trial.score.unit=percent trial.state=complete',
            "    phase induce phase.name=induce",
            "    evaluate exact trial.index=2",
            "  phase select phase.name=select",
        ]
    )


def test_scores_and_rules_are_those_of_the_optimizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """InferRules returns neither: what its two methods give, candidate by candidate, is what the trials record."""
    induced: list[str] = []
    scores: list[float] = []
    optimizer: Any = InferRules
    induce, score = optimizer.induce_natural_language_rules, optimizer.evaluate_program

    def inducing(self: Any, predictor: Any, trainset: Any) -> str:
        induced.append(induce(self, predictor, trainset))
        return induced[-1]

    def scoring(self: Any, program: Any, dataset: Any) -> float:
        scores.append(score(self, program, dataset))
        return scores[-1]

    monkeypatch.setattr(optimizer, "induce_natural_language_rules", inducing)
    monkeypatch.setattr(optimizer, "evaluate_program", scoring)
    with recording(capture_programs=True) as recorder:
        _optimize()
    trials = recorder.attributes_of("trial")
    assert [trial["trial.score"] for trial in trials] == scores
    assert [json.loads(trial["trial.candidate"]) for trial in trials] == [{"self": {"rules": text}} for text in induced]
    assert all(
        text in json.loads(trial["program.state"])["signature"]["instructions"]
        for trial, text in zip(trials, induced, strict=True)
    )
    (compiled,) = recorder.attributes_of("compile InferRules")
    assert (compiled["compile.best_score"], compiled["compile.trial.count"]) == (max(scores), 3)


def test_the_runs_in_mlflow(tmp_path: Path) -> None:
    """A run a candidate below the compile's, which holds the table of the bootstrap's attempts."""
    _, runs = tracked_runs(tmp_path, _optimize)
    assert runs == snapshot(
        [
            "InferRules Predict: FINISHED",
            "  params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_bootstrapped_demos=1, max_errors=10, max_labeled_demos=0, max_rounds=1, metric=exact, num_candidates=3, num_rules=1, num_threads=1",
            "  tags dspy.compile.best_trial.index=2",
            '  metrics score/best={"0": 83.33, "1": 83.33, "2": 100.0, "3": 100.0}, score/full={"0": 83.33, "1": 83.33, "2": 100.0}, usage/lm_calls={"0": 8.0, "1": 15.0, "2": 22.0, "3": 22.0}',
            "  artifacts best_model.json, bootstrap_table.json, candidates/demos.json, initial_model.json, optimization_summary.json, trainset.json, valset.json",
            "  2 traces",
            "    trial 0: candidate 0: FINISHED",
            "      params candidate=0",
            "      tags dspy.trial.index=0, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=candidate 0, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=83.33, score/num_examples=6.0, usage/lm_calls=7.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
            "    trial 1: candidate 1: FINISHED",
            "      params candidate=1",
            "      tags dspy.trial.index=1, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=candidate 1, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=83.33, score/num_examples=6.0, usage/lm_calls=7.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
            "    trial 2: candidate 2: FINISHED",
            "      params candidate=2",
            "      tags dspy.trial.index=2, dspy.trial.is_best=true, dspy.trial.kind=candidate, dspy.trial.label=candidate 2, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=100.0, score/num_examples=6.0, usage/lm_calls=7.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
        ]
    )
