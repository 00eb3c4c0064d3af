"""GRPO with a stub trainer: train steps, rollouts, validation by step. No model is trained, and nothing on a GPU."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from dspy.teleprompt.grpo import GRPO
from inline_snapshot import snapshot

from otel_dspy.hooks.optimizers.grpo import GRPOHook
from otel_dspy.telemetry.tallies.leaderboard import Entry
from tests.support.addition_task import exact, examples, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.optimizer_runs import tracked_runs
from tests.support.span_recorder import recording
from tests.support.stub_trainers import StubReinforcement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def _optimize(provider: StubReinforcement, *, steps: int = 3, valset: Any = None, **settings: Any) -> Any:
    attempts = itertools.count()

    def answer(inputs: Mapping[str, str]) -> str:
        # Rollouts of one example differ; what is scored of them does not.
        return f"{half_right(inputs)}{' ' * (next(attempts) % 2)}"

    lm = in_process_lm(dspy_script({"answer": answer}), provider=provider)
    program = dspy.Predict("question -> answer")
    program.set_lm(lm)
    optimizer = GRPO(
        exact,
        exclude_demos=True,
        num_threads=1,
        num_train_steps=steps,
        num_dspy_examples_per_grpo_step=2,
        num_rollouts_per_grpo_step=2,
        num_steps_for_val=2,
        train_kwargs={"learning_rate": 0.1},
        **settings,
    )
    with dspy.context(lm=lm):
        return optimizer.compile(program, trainset=examples(4), valset=valset)


def _trials(recorder: Any) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in recorder.named("trial GRPO")]


SHOWN = ("trial.", "evaluate.score", "evaluate.role", "evaluate.num_examples", "phase.name", "compile.trial.count")


def test_the_control_trace() -> None:
    """Before training, then each step: its rollouts, the trainer's step, and validation every second step and last."""
    provider = StubReinforcement()
    with recording() as recorder:
        trained = _optimize(provider, valset=examples(5))
    assert recorder.control("compile", *SHOWN) == snapshot(
        [
            "compile GRPO compile.trial.count=4 trial.score.unit=percent",
            "  setup GRPO",
            "    dataset train",
            "    dataset validation",
            "  trial GRPO evaluate.num_examples=5 trial.best_score=40.0 trial.index=0 trial.is_best=True trial.kind=baseline trial.label=before training trial.parameter.model=openai/scripted trial.scope=full trial.score=40.0 trial.score.unit=percent trial.state=complete",
            "    evaluate exact evaluate.num_examples=5 evaluate.role=validation evaluate.score=40.0 trial.index=0",
            "  trial GRPO trial.best_score=40.0 trial.index=1 trial.is_best=False trial.kind=step trial.label=train step 0 trial.measure.groups=1.0 trial.measure.reward=0.0 trial.measure.rollouts=4.0 trial.parameter.model=openai/scripted-step-1 trial.parameter.train_step=0 trial.scope=full trial.state=complete",
            "    evaluate exact evaluate.num_examples=4 evaluate.role=rollouts evaluate.score=0.0 trial.index=1",
            "    phase train phase.name=train",
            "  trial GRPO evaluate.num_examples=5 trial.best_score=40.0 trial.index=2 trial.is_best=True trial.kind=step trial.label=train step 1 trial.measure.groups=1.0 trial.measure.reward=1.0 trial.measure.rollouts=4.0 trial.parameter.model=openai/scripted-step-2 trial.parameter.train_step=1 trial.scope=full trial.score=40.0 trial.score.unit=percent trial.state=complete",
            "    evaluate exact evaluate.num_examples=4 evaluate.role=rollouts evaluate.score=100.0 trial.index=2",
            "    phase train phase.name=train",
            "    evaluate exact evaluate.num_examples=5 evaluate.role=validation evaluate.score=40.0 trial.index=2",
            "  trial GRPO evaluate.num_examples=5 trial.best_score=40.0 trial.index=3 trial.is_best=True trial.kind=step trial.label=train step 2 trial.measure.groups=1.0 trial.measure.reward=1.0 trial.measure.rollouts=4.0 trial.parameter.model=openai/scripted-step-3 trial.parameter.train_step=2 trial.scope=full trial.score=40.0 trial.score.unit=percent trial.state=complete",
            "    evaluate exact evaluate.num_examples=4 evaluate.role=rollouts evaluate.score=100.0 trial.index=3",
            "    phase train phase.name=train",
            "    evaluate exact evaluate.num_examples=5 evaluate.role=validation evaluate.score=40.0 trial.index=3",
        ]
    )
    (job,) = provider.made
    steps = [trial for trial in _trials(recorder) if trial["dspy.trial.kind"] == "step"]
    for trial, batch in zip(steps, job.batches, strict=True):
        rewards = [completion["reward"] for item in batch for completion in item["group"]]
        assert trial["dspy.trial.measure.groups"] == len(batch)
        assert rewards
    assert job.terminated
    assert steps[-1]["dspy.trial.parameter.model"] == trained.lm.model


def test_the_last_step_wins_with_a_lower_score_too() -> None:
    """GRPO returns the model as it is after the last step; a step without validation has no score to go by."""
    before, unscored, last = Entry(index=0, score=40.0), Entry(index=1, score=None), Entry(index=2, score=20.0)
    select = GRPOHook().select
    assert select([before]) is select([before, unscored]) is before
    assert select([before, unscored, last]) is last
    assert select([before, unscored, last, Entry(index=3, score=None, failed=True)]) is last
    assert select([unscored]) is None


def test_validation_and_training_scores_are_distinguished(caplog: pytest.LogCaptureFixture) -> None:
    """With `report_train_scores` the trial's score is the validation set's alone, as DSPy's own log has it."""
    with recording() as recorder, caplog.at_level(logging.INFO, "dspy.teleprompt.grpo"):
        _optimize(StubReinforcement(), steps=2, valset=examples(3), report_train_scores=True)
    scored = [
        (trial["dspy.trial.score"], trial["dspy.trial.measure.train_score"])
        for trial in _trials(recorder)
        if "dspy.trial.score" in trial
    ]
    logged = {
        kind: [
            round(100 * float(record.getMessage().rpartition(" ")[2]), 2)
            for record in caplog.records
            if record.getMessage().startswith(f"Student program {kind} set score")
        ]
        for kind in ("validation", "training")
    }
    assert scored == list(zip(logged["validation"], logged["training"], strict=True))
    assert scored == snapshot([(33.33, 50.0), (33.33, 50.0)])
    counts = [trial["dspy.evaluate.num_examples"] for trial in _trials(recorder) if "dspy.trial.score" in trial]
    assert counts == [3, 3], "examples of the score alone, without the training set's"


def test_without_validation_no_score_is_made_up() -> None:
    """No validation set, no training scores: steps are trials with their rewards, and nothing is scored."""
    with recording() as recorder:
        _optimize(StubReinforcement(), steps=1)
    (trial,) = _trials(recorder)
    assert {
        name.removeprefix("dspy.trial."): trial[name] for name in trial if name.startswith("dspy.trial.")
    } == snapshot(
        {
            "index": 0,
            "kind": "step",
            "scope": "full",
            "state": "complete",
            "is_best": False,
            "parameter.train_step": 0,
            "parameter.model": "openai/scripted-step-1",
            "measure.groups": 1.0,
            "measure.rollouts": 4.0,
            "measure.reward": 0.0,
            "label": "train step 0",
        }
    )


def test_a_trainer_whose_step_takes_any_arguments(caplog: pytest.LogCaptureFixture) -> None:
    """Its groups are counted as those of another, and no hook fails."""
    provider = StubReinforcement()

    class Job(provider.ReinforceJob):
        def step(self, *args: Any, **kwargs: Any) -> None:
            super().step(*args, **kwargs)

    provider.ReinforceJob = Job
    with recording() as recorder:
        _optimize(provider, steps=1)
    (trial,) = _trials(recorder)
    assert trial["dspy.trial.measure.groups"] == 1.0
    assert [span.name for span in recorder.named("phase")] == ["phase train"]
    assert "a hook failed" not in caplog.text


@pytest.mark.parametrize("error", [RuntimeError("the trainer broke"), KeyboardInterrupt()])
def test_a_trainer_that_breaks(error: BaseException) -> None:
    """The step and the compile record the error, which reaches the user; afterwards nothing of the step stays behind."""
    with recording() as recorder:
        with pytest.raises(type(error)) as raised:
            _optimize(StubReinforcement(breaks_at=1, error=error))
        dspy.Predict("question -> answer")
        with dspy.context(lm=in_process_lm(dspy_script({"answer": half_right}))):
            dspy.Predict("question -> answer")(question="1+1")
    assert raised.value is error
    kind = type(error).__name__
    assert recorder.control("compile", "trial.state", "trial.index", "error")[-5:] == [
        "    evaluate exact trial.index=0",
        "    phase train",
        f"  trial GRPO trial.index=1 trial.state=fail error.type={kind} ERROR({error})",
        "    evaluate exact trial.index=1",
        f"    phase train error.type={kind} ERROR({error})",
    ]
    assert recorder.tree("module") == ["module Predict", "  chat scripted"]


def test_the_run_tree(tmp_path: Path) -> None:
    """Steps are runs with their models and rewards; validation by step stands on the compile's curve."""
    _, runs = tracked_runs(tmp_path, lambda: _optimize(StubReinforcement(), valset=examples(5)))
    assert runs == snapshot(
        [
            "GRPO Predict: FINISHED",
            "  params exclude_demos=True, failure_score=0, format_failure_score=-1, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, metric=exact, multitask=True, num_dspy_examples_per_grpo_step=2, num_rollouts_per_grpo_step=2, num_steps_for_val=2, num_threads=1, num_train_steps=3, report_train_scores=False, seed=0, train_kwargs.learning_rate=0.1, use_train_as_val=False, variably_invoked_predictor_grouping_mode=truncate",
            "  tags dspy.compile.best_trial.index=3",
            '  metrics score/best={"0": 40.0, "1": 40.0, "2": 40.0, "3": 40.0, "4": 40.0}, score/full={"0": 40.0, "2": 40.0, "3": 40.0}, score/initial=40.0, search/groups={"1": 1.0, "2": 1.0, "3": 1.0}, search/reward={"1": 0.0, "2": 1.0, "3": 1.0}, search/rollouts={"1": 4.0, "2": 4.0, "3": 4.0}, usage/lm_calls={"0": 5.0, "1": 9.0, "2": 18.0, "3": 27.0, "4": 27.0}',
            "  artifacts best_model.json, initial_model.json, optimization_summary.json, trainset.json, valset.json",
            "  1 traces",
            "    trial 0: start, before training: FINISHED",
            "      params model=openai/scripted",
            "      tags dspy.trial.index=0, dspy.trial.is_best=false, dspy.trial.kind=baseline, dspy.trial.label=before training, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=40.0, score/num_examples=5.0, usage/lm_calls=5.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      5 traces",
            "    trial 1: train step 0: FINISHED",
            "      params model=openai/scripted-step-1, train_step=0",
            "      tags dspy.trial.index=1, dspy.trial.is_best=false, dspy.trial.kind=step, dspy.trial.label=train step 0, dspy.trial.scope=full, dspy.trial.state=complete",
            "      metrics search/groups=1.0, search/reward=0.0, search/rollouts=4.0, usage/lm_calls=4.0",
            "      artifacts changes.md, model.json, result_table_rollouts.json",
            "      4 traces",
            "    trial 2: train step 1: FINISHED",
            "      params model=openai/scripted-step-2, train_step=1",
            "      tags dspy.trial.index=2, dspy.trial.is_best=false, dspy.trial.kind=step, dspy.trial.label=train step 1, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=40.0, score/num_examples=5.0, search/groups=1.0, search/reward=1.0, search/rollouts=4.0, usage/lm_calls=9.0",
            "      artifacts changes.md, model.json, result_table.json, result_table_rollouts.json",
            "      9 traces",
            "    trial 3: train step 2: FINISHED",
            "      params model=openai/scripted-step-3, train_step=2",
            "      tags dspy.trial.index=3, dspy.trial.is_best=true, dspy.trial.kind=step, dspy.trial.label=train step 2, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=40.0, score/num_examples=5.0, search/groups=1.0, search/reward=1.0, search/rollouts=4.0, usage/lm_calls=9.0",
            "      artifacts changes.md, model.json, result_table.json, result_table_rollouts.json",
            "      9 traces",
        ]
    )
