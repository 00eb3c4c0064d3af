"""BootstrapFewShotWithOptuna: Optuna's trials with the demos they chose; one that is given up is recorded as pruned."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dspy
import optuna
import pytest
from dspy.teleprompt import BootstrapFewShotWithOptuna
from inline_snapshot import snapshot

from tests.support.addition_task import exact, examples
from tests.support.learning_lm import learning_lm
from tests.support.optimizer_runs import tracked_runs
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = ("trial.", "compile.best", "compile.parent")


class Impatient(BootstrapFewShotWithOptuna):
    """Gives up every trial but the first."""

    def objective(self, trial: optuna.Trial) -> float:
        """The score, or Optuna's word for giving up."""
        optimizer: Any = super()
        score: float = optimizer.objective(trial)
        if trial.number:
            raise optuna.TrialPruned
        return score


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna's sampler draws the same numbers each time: the optimizer has no seed for it."""
    create: Any = optuna.create_study

    def with_seed(**kwargs: Any) -> optuna.Study:
        return create(sampler=optuna.samplers.RandomSampler(seed=1), **kwargs)

    monkeypatch.setattr(optuna, "create_study", with_seed)


def _optimize(optimizer_class: type[Any] = BootstrapFewShotWithOptuna) -> Any:
    optimizer = optimizer_class(
        exact, max_bootstrapped_demos=2, max_labeled_demos=3, num_candidate_programs=3, num_threads=1
    )
    with dspy.context(lm=learning_lm()):
        return optimizer.compile(
            dspy.Predict("question -> answer"), max_demos=2, trainset=examples(4), valset=examples(6)
        )


def test_the_control_trace_contains_the_trials_of_optuna() -> None:
    """The bootstrap is a nested compile; each trial has the index of the demo that it chose, and the demo itself."""
    with recording(capture_programs=True) as recorder:
        _optimize()
    assert recorder.control("compile", *SHOWN) == snapshot(
        [
            "compile BootstrapFewShotWithOptuna compile.best_score=66.67 compile.best_trial.index=0 trial.score.unit=percent",
            "  setup BootstrapFewShotWithOptuna",
            "    dataset train",
            "    dataset validation",
            "  compile BootstrapFewShot compile.parent.id=c1",
            "    setup BootstrapFewShot compile.parent.id=c1",
            "      dataset train",
            "    compile LabeledFewShot compile.parent.id=c2",
            "      setup LabeledFewShot compile.parent.id=c2",
            "        dataset train",
            "      phase select",
            "    phase bootstrap",
            "      evaluate exact",
            "    phase select",
            '  trial BootstrapFewShotWithOptuna trial.best_score=66.67 trial.candidate={"self":{"demos":[{"augmented":true,"question":"1+1","answer":"2"}]}} trial.index=0 trial.is_best=True trial.kind=candidate trial.label=trial 0 trial.parameter.demo_index_for_self=1 trial.scope=full trial.score=66.67 trial.score.unit=percent trial.state=complete',
            "    evaluate exact trial.index=0",
            '  trial BootstrapFewShotWithOptuna trial.best_score=66.67 trial.candidate={"self":{"demos":[{"question":"3+1","answer":"4"}]}} trial.index=1 trial.is_best=False trial.kind=candidate trial.label=trial 1 trial.parameter.demo_index_for_self=2 trial.scope=full trial.score=66.67 trial.score.unit=percent trial.state=complete',
            "    evaluate exact trial.index=1",
            '  trial BootstrapFewShotWithOptuna trial.best_score=66.67 trial.candidate={"self":{"demos":[{"augmented":true,"question":"0+1","answer":"1"}]}} trial.index=2 trial.is_best=False trial.kind=candidate trial.label=trial 2 trial.parameter.demo_index_for_self=0 trial.scope=full trial.score=66.67 trial.score.unit=percent trial.state=complete',
            "    evaluate exact trial.index=2",
        ]
    )


def test_scores_and_demos_are_those_of_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, values and parameters are those that Optuna holds; the demo is that of the trial's program."""
    studies: list[optuna.Study] = []
    create = optuna.create_study

    def kept(**kwargs: Any) -> optuna.Study:
        studies.append(create(**kwargs))
        return studies[-1]

    monkeypatch.setattr(optuna, "create_study", kept)
    with recording(capture_programs=True) as recorder:
        best = _optimize()
    (study,) = studies
    trials = recorder.attributes_of("trial")
    assert [
        (trial["trial.label"], trial["trial.score"], trial["trial.parameter.demo_index_for_self"]) for trial in trials
    ] == [(f"trial {held.number}", held.value, held.params["demo_index_for_self"]) for held in study.trials]
    demos = [json.loads(trial["trial.candidate"])["self"]["demos"] for trial in trials]
    assert demos == [[dict(demo) for demo in held.user_attrs["program"].demos] for held in study.trials]
    assert demos[study.best_trial.number] == [dict(demo) for demo in best.demos]
    (compiled,) = recorder.attributes_of("compile BootstrapFewShotWithOptuna")
    assert compiled["compile.best_score"] == study.best_value
    assert compiled["compile.best_trial.index"] == study.best_trial.number


def test_a_pruned_trial_is_recorded_as_pruned() -> None:
    """It is no failure, has no score and never is the best."""
    with recording() as recorder:
        _optimize(Impatient)
    assert recorder.control("compile Impatient", "trial.state", "trial.score", "trial.is_best", "error") == snapshot(
        [
            "compile Impatient trial.score.unit=percent",
            "  setup Impatient",
            "    dataset train",
            "    dataset validation",
            "  compile BootstrapFewShot",
            "    setup BootstrapFewShot",
            "      dataset train",
            "    compile LabeledFewShot",
            "      setup LabeledFewShot",
            "        dataset train",
            "      phase select",
            "    phase bootstrap",
            "      evaluate exact",
            "    phase select",
            "  trial Impatient trial.is_best=True trial.score=66.67 trial.score.unit=percent trial.state=complete",
            "    evaluate exact",
            "  trial Impatient trial.is_best=False trial.state=pruned",
            "    evaluate exact",
            "  trial Impatient trial.is_best=False trial.state=pruned",
            "    evaluate exact",
        ]
    )


def test_the_runs_in_mlflow(tmp_path: Path) -> None:
    """A run a trial, a pruned one too, below the compile's; the bootstrap is a run of its own beside them."""
    _, runs = tracked_runs(tmp_path, lambda: _optimize(Impatient))
    assert runs == snapshot(
        [
            "Impatient Predict: FINISHED",
            "  params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_bootstrapped_demos=2, max_demos=2, max_labeled_demos=3, max_rounds=1, metric=exact, num_candidate_programs=3, num_threads=1",
            "  tags dspy.compile.best_trial.index=0",
            '  metrics score/best={"0": 66.67, "1": 66.67, "2": 66.67, "3": 66.67}, score/full=66.67, usage/lm_calls={"0": 8.0, "1": 14.0, "2": 20.0, "3": 20.0}',
            "  artifacts best_model.json, initial_model.json, optimization_summary.json, trainset.json, valset.json",
            "  1 traces",
            "    BootstrapFewShot Predict: FINISHED",
            "      params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_bootstrapped_demos=2, max_errors=10, max_labeled_demos=3, max_rounds=1, metric=exact",
            "      metrics usage/lm_calls=2.0",
            "      artifacts best_model.json, bootstrap_table.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "      2 traces",
            "        LabeledFewShot Predict: FINISHED",
            "          params k=3, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, sample=True",
            "          metrics usage/lm_calls=0.0",
            "          artifacts best_model.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "    trial 0: demo 1: FINISHED",
            "      params demo_index_for_self=1",
            "      tags dspy.trial.index=0, dspy.trial.is_best=true, dspy.trial.kind=candidate, dspy.trial.label=trial 0, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=66.67, score/num_examples=6.0, usage/lm_calls=6.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
            "    trial 1: demo 2: FINISHED",
            "      params demo_index_for_self=2",
            "      tags dspy.trial.index=1, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=trial 1, dspy.trial.scope=full, dspy.trial.state=pruned",
            "      metrics usage/lm_calls=6.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
            "    trial 2: demo 0: FINISHED",
            "      params demo_index_for_self=0",
            "      tags dspy.trial.index=2, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=trial 2, dspy.trial.scope=full, dspy.trial.state=pruned",
            "      metrics usage/lm_calls=6.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
        ]
    )
