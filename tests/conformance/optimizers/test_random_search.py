"""BootstrapFewShotWithRandomSearch: a trial a seed, with the demos chosen and the sub-scores."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dspy
from dspy.teleprompt import BootstrapFewShotWithRandomSearch
from inline_snapshot import snapshot

from tests.support.addition_task import exact, examples
from tests.support.learning_lm import learning_lm
from tests.support.optimizer_runs import tracked_runs
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = ("trial.", "phase.name", "compile.best", "compile.initial", "compile.parent", "evaluate.num_examples")


def _optimize() -> Any:
    optimizer: Any = BootstrapFewShotWithRandomSearch(
        exact, num_candidate_programs=1, num_threads=1, max_bootstrapped_demos=2, max_labeled_demos=2
    )
    with dspy.context(lm=learning_lm()):
        return optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(6), valset=examples(8))


def test_the_control_trace_contains_seeds_and_demos() -> None:
    """Each seed has the demos of its program, and how many were bootstrapped; its nested compiles are parts of it."""
    with recording(capture_programs=True) as recorder:
        _optimize()
    assert recorder.control("compile", *SHOWN) == snapshot(
        [
            "compile BootstrapFewShotWithRandomSearch compile.best_score=75.0 compile.best_trial.index=1 compile.initial_score=50.0 trial.score.unit=percent",
            "  setup BootstrapFewShotWithRandomSearch",
            "    dataset train",
            "    dataset validation",
            '  trial BootstrapFewShotWithRandomSearch evaluate.num_examples=8 trial.best_score=50.0 trial.candidate={"self":{"demos":[]}} trial.index=0 trial.is_best=True trial.kind=baseline trial.label=seed -3 trial.parameter.bootstrapped_demos=0 trial.parameter.labeled_demos=0 trial.parameter.seed=-3 trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete',
            "    evaluate exact evaluate.num_examples=8 trial.index=0",
            '  trial BootstrapFewShotWithRandomSearch compile.initial_score=50.0 evaluate.num_examples=8 trial.best_score=75.0 trial.candidate={"self":{"demos":[{"question":"3+1","answer":"4"},{"question":"5+1","answer":"6"}]}} trial.index=1 trial.is_best=True trial.kind=candidate trial.label=seed -2 trial.parameter.bootstrapped_demos=0 trial.parameter.labeled_demos=2 trial.parameter.seed=-2 trial.scope=full trial.score=75.0 trial.score.unit=percent trial.state=complete',
            "    compile LabeledFewShot compile.parent.id=c1 compile.parent.trial.index=1",
            "      setup LabeledFewShot compile.parent.id=c1 compile.parent.trial.index=1",
            "        dataset train",
            "      phase select phase.name=select",
            "    evaluate exact evaluate.num_examples=8 trial.index=1",
            '  trial BootstrapFewShotWithRandomSearch compile.initial_score=50.0 evaluate.num_examples=8 trial.best_score=75.0 trial.candidate={"self":{"demos":[{"augmented":true,"question":"0+1","answer":"1"},{"augmented":true,"question":"1+1","answer":"2"}]}} trial.index=2 trial.is_best=False trial.kind=candidate trial.label=seed -1 trial.parameter.bootstrapped_demos=2 trial.parameter.labeled_demos=0 trial.parameter.seed=-1 trial.scope=full trial.score=75.0 trial.score.unit=percent trial.state=complete',
            "    compile BootstrapFewShot compile.parent.id=c1 compile.parent.trial.index=2",
            "      setup BootstrapFewShot compile.parent.id=c1 compile.parent.trial.index=2",
            "        dataset train",
            "      compile LabeledFewShot compile.parent.id=c3",
            "        setup LabeledFewShot compile.parent.id=c3",
            "          dataset train",
            "        phase select phase.name=select",
            "      phase bootstrap phase.name=bootstrap",
            "        evaluate exact evaluate.num_examples=2 phase.name=bootstrap",
            "      phase select phase.name=select",
            "    evaluate exact evaluate.num_examples=8 trial.index=2",
            '  trial BootstrapFewShotWithRandomSearch compile.initial_score=50.0 evaluate.num_examples=8 trial.best_score=75.0 trial.candidate={"self":{"demos":[{"augmented":true,"question":"2+1","answer":"3"},{"augmented":true,"question":"1+1","answer":"2"}]}} trial.index=3 trial.is_best=False trial.kind=candidate trial.label=seed 0 trial.parameter.bootstrapped_demos=2 trial.parameter.labeled_demos=0 trial.parameter.seed=0 trial.scope=full trial.score=75.0 trial.score.unit=percent trial.state=complete',
            "    compile BootstrapFewShot compile.parent.id=c1 compile.parent.trial.index=3",
            "      setup BootstrapFewShot compile.parent.id=c1 compile.parent.trial.index=3",
            "        dataset train",
            "      compile LabeledFewShot compile.parent.id=c5",
            "        setup LabeledFewShot compile.parent.id=c5",
            "          dataset train",
            "        phase select phase.name=select",
            "      phase bootstrap phase.name=bootstrap",
            "        evaluate exact evaluate.num_examples=3 phase.name=bootstrap",
            "      phase select phase.name=select",
            "    evaluate exact evaluate.num_examples=8 trial.index=3",
        ]
    )


def test_scores_subscores_and_demos_are_those_of_the_candidates() -> None:
    """Score, sub-scores in the order of the validation set and demos of each seed are those of `candidate_programs`."""
    with recording(capture_programs=True) as recorder:
        best = _optimize()
    trials = recorder.attributes_of("trial")
    rows = {
        recorded["trial.index"]: json.loads(recorded["evaluate.results"])
        for recorded in recorder.attributes_of("evaluate exact")
        if "trial.index" in recorded
    }
    recorded = {
        trial["trial.parameter.seed"]: (
            trial["trial.score"],
            [row["score"] for row in rows[trial["trial.index"]]],
            json.loads(trial["trial.candidate"])["self"]["demos"],
        )
        for trial in trials
    }
    assert recorded == {
        found["seed"]: (
            found["score"],
            [float(score) for score in found["subscores"]],
            [dict(demo.items()) for demo in found["program"].demos],
        )
        for found in best.candidate_programs
    }
    (compiled,) = recorder.attributes_of("compile BootstrapFewShotWithRandomSearch")
    assert compiled["compile.best_score"] == best.candidate_programs[0]["score"]


def test_the_runs_in_mlflow(tmp_path: Path) -> None:
    """A run a seed below the compile's; the compiles that made its demos are runs below the seed's."""
    _, runs = tracked_runs(tmp_path, _optimize)
    assert runs == snapshot(
        [
            "BootstrapFewShotWithRandomSearch Predict: FINISHED",
            "  params labeled_sample=True, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_bootstrapped_demos=2, max_errors=10, max_labeled_demos=2, max_rounds=1, metric=exact, num_candidate_programs=1, num_threads=1",
            "  tags dspy.compile.best_trial.index=1",
            '  metrics score/best={"0": 50.0, "1": 75.0, "2": 75.0, "3": 75.0, "4": 75.0}, score/full={"0": 50.0, "1": 75.0, "2": 75.0, "3": 75.0}, score/initial=50.0, usage/lm_calls={"0": 8.0, "1": 16.0, "2": 26.0, "3": 37.0, "4": 37.0}',
            "  artifacts best_model.json, initial_model.json, optimization_summary.json, trainset.json, valset.json",
            "  1 traces",
            "    trial 0: start, seed -3: FINISHED",
            "      params bootstrapped_demos=0, labeled_demos=0, seed=-3",
            "      tags dspy.trial.index=0, dspy.trial.is_best=false, dspy.trial.kind=baseline, dspy.trial.label=seed -3, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=50.0, score/num_examples=8.0, usage/lm_calls=8.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      8 traces",
            "    trial 1: seed -2: FINISHED",
            "      params bootstrapped_demos=0, labeled_demos=2, seed=-2",
            "      tags dspy.trial.index=1, dspy.trial.is_best=true, dspy.trial.kind=candidate, dspy.trial.label=seed -2, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=75.0, score/num_examples=8.0, usage/lm_calls=8.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      8 traces",
            "        LabeledFewShot Predict: FINISHED",
            "          params k=2, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, sample=True",
            "          metrics usage/lm_calls=0.0",
            "          artifacts best_model.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "    trial 2: seed -1: FINISHED",
            "      params bootstrapped_demos=2, labeled_demos=0, seed=-1",
            "      tags dspy.trial.index=2, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=seed -1, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=75.0, score/num_examples=8.0, usage/lm_calls=10.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      8 traces",
            "        BootstrapFewShot Predict: FINISHED",
            "          params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_bootstrapped_demos=2, max_errors=10, max_labeled_demos=2, max_rounds=1, metric=exact",
            "          metrics usage/lm_calls=2.0",
            "          artifacts best_model.json, bootstrap_table.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "          2 traces",
            "            LabeledFewShot Predict: FINISHED",
            "              params k=2, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, sample=True",
            "              metrics usage/lm_calls=0.0",
            "              artifacts best_model.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "    trial 3: seed 0: FINISHED",
            "      params bootstrapped_demos=2, labeled_demos=0, seed=0",
            "      tags dspy.trial.index=3, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=seed 0, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=75.0, score/num_examples=8.0, usage/lm_calls=11.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      8 traces",
            "        BootstrapFewShot Predict: FINISHED",
            "          params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_bootstrapped_demos=2, max_errors=10, max_labeled_demos=2, max_rounds=1, metric=exact",
            "          metrics usage/lm_calls=3.0",
            "          artifacts best_model.json, bootstrap_table.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "          3 traces",
            "            LabeledFewShot Predict: FINISHED",
            "              params k=2, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, sample=True",
            "              metrics usage/lm_calls=0.0",
            "              artifacts best_model.json, candidates/demos.json, initial_model.json, optimization_summary.json",
        ]
    )


def test_each_example_has_its_score_before_optimization() -> None:
    """That of the same example in the trial of the initial program; not the attempts of a bootstrap, nor that trial."""
    with recording() as recorder:
        _optimize()
    trials: dict[Any, dict[str, Any]] = {}
    for example in recorder.attributes_of("example"):
        trials.setdefault(example.get("trial.index"), {})[example["example.id"]] = example
    initial = {
        key: example["example.score"]
        for key, example in trials.pop(0).items()
        if "example.initial_score" not in example
    }
    assert sorted(initial.values()) == [0.0] * 4 + [1.0] * 4
    compared = {
        index: {key: one.get("example.initial_score") for key, one in found.items()} for index, found in trials.items()
    }
    assert {index: found == initial for index, found in compared.items() if index is not None} == {
        1: True,
        2: True,
        3: True,
    }
    assert set(compared[None].values()) == {None}
