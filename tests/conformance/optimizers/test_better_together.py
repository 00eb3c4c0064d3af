"""BetterTogether: the program as given and each step of the strategy are trials, nested compiles are parts of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from dspy.teleprompt import BetterTogether, BootstrapFewShotWithRandomSearch, BootstrapFinetune, LabeledFewShot
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizer_runs import tracked_runs
from tests.support.optimizers import Breaking
from tests.support.span_recorder import recording
from tests.support.stub_trainers import StubFinetuning

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = ("trial.", "compile.parent", "compile.depth", "compile.step_failed", "dataset.size")


def _optimize(strategy: str = "p -> l", valset_ratio: float = 0.5) -> Any:
    lm = addition_lm()
    program = dspy.Predict("question -> answer")
    program.set_lm(lm)
    optimizer = BetterTogether(
        exact,
        p=BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=1, num_threads=1, max_labeled_demos=1),
        l=LabeledFewShot(k=1),
        broken=Breaking(ValueError("this step is broken")),
    )
    with dspy.context(lm=lm):
        return optimizer.compile(
            program,
            trainset=examples(8),
            strategy=strategy,
            seed=1,
            optimizer_compile_args={"l": {"sample": False}},
            valset_ratio=valset_ratio,
        )


def test_the_control_trace_contains_baseline_and_steps() -> None:
    """Each step is a trial with its strategy, its optimizer's record inside it, and the score of what came out."""
    with recording() as recorder:
        best = _optimize()
    assert recorder.control("compile BetterTogether", *SHOWN) == snapshot(
        [
            "compile BetterTogether compile.step_failed=False trial.score.unit=percent",
            "  setup BetterTogether",
            "    dataset train dataset.size=8",
            "    dataset validation dataset.size=4",
            "  trial BetterTogether trial.best_score=50.0 trial.index=0 trial.is_best=True trial.kind=baseline trial.label=no step trial.parameter.strategy= trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "    evaluate exact trial.index=0",
            "  trial BetterTogether trial.best_score=50.0 trial.index=1 trial.is_best=False trial.kind=step trial.label=p trial.parameter.optimizer=BootstrapFewShotWithRandomSearch trial.parameter.strategy=p trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "    compile BootstrapFewShotWithRandomSearch compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=1 trial.score.unit=percent",
            "      setup BootstrapFewShotWithRandomSearch compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=1",
            "        dataset train dataset.size=4",
            "        dataset validation dataset.size=4",
            "      trial BootstrapFewShotWithRandomSearch trial.best_score=50.0 trial.index=0 trial.is_best=True trial.kind=baseline trial.label=seed -3 trial.parameter.bootstrapped_demos=0 trial.parameter.labeled_demos=0 trial.parameter.seed=-3 trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "        evaluate exact trial.index=0",
            "      trial BootstrapFewShotWithRandomSearch trial.best_score=50.0 trial.index=1 trial.is_best=False trial.kind=candidate trial.label=seed -2 trial.parameter.bootstrapped_demos=0 trial.parameter.labeled_demos=1 trial.parameter.seed=-2 trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "        compile LabeledFewShot compile.depth=2 compile.parent.id=c2 compile.parent.trial.index=1",
            "          setup LabeledFewShot compile.depth=2 compile.parent.id=c2 compile.parent.trial.index=1",
            "            dataset train dataset.size=4",
            "          phase select",
            "        evaluate exact trial.index=1",
            "      trial BootstrapFewShotWithRandomSearch trial.best_score=50.0 trial.index=2 trial.is_best=False trial.kind=candidate trial.label=seed -1 trial.parameter.bootstrapped_demos=2 trial.parameter.labeled_demos=0 trial.parameter.seed=-1 trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "        compile BootstrapFewShot compile.depth=2 compile.parent.id=c2 compile.parent.trial.index=2",
            "          setup BootstrapFewShot compile.depth=2 compile.parent.id=c2 compile.parent.trial.index=2",
            "            dataset train dataset.size=4",
            "          compile LabeledFewShot compile.depth=3 compile.parent.id=c4",
            "            setup LabeledFewShot compile.depth=3 compile.parent.id=c4",
            "              dataset train dataset.size=4",
            "            phase select",
            "          phase bootstrap",
            "            evaluate exact",
            "          phase select",
            "        evaluate exact trial.index=2",
            "      trial BootstrapFewShotWithRandomSearch trial.best_score=50.0 trial.index=3 trial.is_best=False trial.kind=candidate trial.label=seed 0 trial.parameter.bootstrapped_demos=2 trial.parameter.labeled_demos=0 trial.parameter.seed=0 trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "        compile BootstrapFewShot compile.depth=2 compile.parent.id=c2 compile.parent.trial.index=3",
            "          setup BootstrapFewShot compile.depth=2 compile.parent.id=c2 compile.parent.trial.index=3",
            "            dataset train dataset.size=4",
            "          compile LabeledFewShot compile.depth=3 compile.parent.id=c6",
            "            setup LabeledFewShot compile.depth=3 compile.parent.id=c6",
            "              dataset train dataset.size=4",
            "            phase select",
            "          phase bootstrap",
            "            evaluate exact",
            "          phase select",
            "        evaluate exact trial.index=3",
            "    evaluate exact trial.index=1",
            "  trial BetterTogether trial.best_score=50.0 trial.index=2 trial.is_best=False trial.kind=step trial.label=p -> l trial.parameter.optimizer=LabeledFewShot trial.parameter.strategy=p -> l trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "    compile LabeledFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=2",
            "      setup LabeledFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=2",
            "        dataset train dataset.size=4",
            "      phase select",
            "    evaluate exact trial.index=2",
        ]
    )
    recorded = [
        (str(span.attributes["dspy.trial.parameter.strategy"]), span.attributes["dspy.trial.score"])
        for span in recorder.named("trial BetterTogether")
        if span.attributes
    ]
    returned = {candidate["strategy"]: candidate["score"] for candidate in best.candidate_programs}
    assert dict(recorded) == returned
    assert len(recorded) == len(best.candidate_programs)
    (compiled,) = recorder.named("compile BetterTogether")
    assert compiled.attributes is not None
    assert compiled.attributes["dspy.compile.best_score"] == best.candidate_programs[0]["score"]


def test_parameters_and_the_split_that_is_really_used() -> None:
    """The optimizers by their names in the strategy are parameters; the validation set is the held-out part."""
    with recording() as recorder:
        _optimize(strategy="l")
    (setup,) = recorder.named("setup BetterTogether")
    prefix = "dspy.optimizer.parameter."
    attributes = setup.attributes or {}
    assert {
        name.removeprefix(prefix): value for name, value in attributes.items() if name.startswith(prefix)
    } == snapshot(
        {
            "metric": "exact",
            "seed": 1,
            "valset_ratio": 0.5,
            "shuffle_trainset_between_steps": True,
            "strategy": "l",
            "num_threads": 8,
            "max_errors": 10,
            "provide_traceback": False,
            "optimizers.p": "BootstrapFewShotWithRandomSearch",
            "optimizers.l": "LabeledFewShot",
            "optimizers.broken": "Breaking",
            "optimizer_compile_args.l.sample": False,
        }
    )
    sizes = {
        span.attributes["dspy.dataset.role"]: span.attributes["dspy.dataset.size"]
        for span in recorder.named("dataset")
        if span.attributes and span.attributes["dspy.compile.id"] == attributes["dspy.compile.id"]
    }
    assert sizes == {"train": 8, "validation": 4}


def test_a_step_that_fails_ends_the_strategy() -> None:
    """The step's trial has the error; the compile, which returns what it has, records that a step failed."""
    with recording() as recorder:
        best = _optimize(strategy="l -> broken -> p")
    assert best.flag_compilation_error_occurred
    assert recorder.control("compile BetterTogether", *SHOWN) == snapshot(
        [
            "compile BetterTogether compile.step_failed=True trial.score.unit=percent",
            "  setup BetterTogether",
            "    dataset train dataset.size=8",
            "    dataset validation dataset.size=4",
            "  trial BetterTogether trial.best_score=50.0 trial.index=0 trial.is_best=True trial.kind=baseline trial.label=no step trial.parameter.strategy= trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "    evaluate exact trial.index=0",
            "  trial BetterTogether trial.best_score=50.0 trial.index=1 trial.is_best=False trial.kind=step trial.label=l trial.parameter.optimizer=LabeledFewShot trial.parameter.strategy=l trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "    compile LabeledFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=1",
            "      setup LabeledFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=1",
            "        dataset train dataset.size=4",
            "      phase select",
            "    evaluate exact trial.index=1",
            "  trial BetterTogether trial.best_score=50.0 trial.index=2 trial.is_best=False trial.kind=step trial.label=l -> broken trial.parameter.optimizer=Breaking trial.parameter.strategy=l -> broken trial.scope=full trial.state=fail ERROR(this step is broken)",
            "    compile Breaking compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=2 trial.score.unit=percent ERROR(this step is broken)",
            "      setup Breaking compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=2",
            "        dataset train dataset.size=4",
            "      trial Breaking trial.best_score=50.0 trial.derived=True trial.index=0 trial.is_best=True trial.kind=candidate trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "        evaluate exact trial.index=0",
        ]
    )


def test_weights_and_prompts_in_one_strategy() -> None:
    """A fine-tuning step has its job inside its trial, two compiles deep; the next step goes on with the new model."""
    lm = addition_lm(provider=StubFinetuning())
    program = dspy.Predict("question -> answer")
    program.set_lm(lm)
    optimizer = BetterTogether(exact, w=BootstrapFinetune(exact, num_threads=1), l=LabeledFewShot(k=1))
    with dspy.context(lm=lm), recording() as recorder:
        best: Any = optimizer.compile(program, trainset=examples(4), strategy="w -> l", valset_ratio=0.5, seed=1)
    assert not best.flag_compilation_error_occurred
    assert recorder.control("compile BetterTogether", *SHOWN) == snapshot(
        [
            "compile BetterTogether compile.step_failed=False trial.score.unit=percent",
            "  setup BetterTogether",
            "    dataset train dataset.size=4",
            "    dataset validation dataset.size=2",
            "  trial BetterTogether trial.best_score=50.0 trial.index=0 trial.is_best=True trial.kind=baseline trial.label=no step trial.parameter.strategy= trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "    evaluate exact trial.index=0",
            "  trial BetterTogether trial.best_score=50.0 trial.index=1 trial.is_best=False trial.kind=step trial.label=w trial.parameter.optimizer=BootstrapFinetune trial.parameter.strategy=w trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "    compile BootstrapFinetune compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=1",
            "      setup BootstrapFinetune compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=1",
            "        dataset train dataset.size=2",
            "      phase bootstrap",
            "        evaluate exact",
            "      phase finetune",
            "        trial BootstrapFinetune trial.index=0 trial.is_best=False trial.kind=step trial.label=job openai/scripted trial.parameter.examples=1 trial.parameter.finetuned_model=openai/scripted-tuned-1 trial.parameter.format=chat trial.parameter.model=openai/scripted trial.parameter.predictor=all trial.scope=full trial.state=complete",
            "    evaluate exact trial.index=1",
            "  trial BetterTogether trial.best_score=50.0 trial.index=2 trial.is_best=False trial.kind=step trial.label=w -> l trial.parameter.optimizer=LabeledFewShot trial.parameter.strategy=w -> l trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "    compile LabeledFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=2",
            "      setup LabeledFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=2",
            "        dataset train dataset.size=2",
            "      phase select",
            "    evaluate exact trial.index=2",
        ]
    )


def test_without_a_validation_set_steps_have_no_scores() -> None:
    """Nothing is evaluated: a step is still a trial, with its nested compile, and no score is made up for it."""
    with recording() as recorder:
        best = _optimize(strategy="l", valset_ratio=0.0)
    assert [candidate["score"] for candidate in best.candidate_programs] == [None, None]
    assert recorder.control("compile BetterTogether", *SHOWN) == snapshot(
        [
            "compile BetterTogether compile.step_failed=False",
            "  setup BetterTogether",
            "    dataset train dataset.size=8",
            "  trial BetterTogether trial.index=0 trial.is_best=False trial.kind=step trial.label=l trial.parameter.optimizer=LabeledFewShot trial.parameter.strategy=l trial.scope=full trial.state=complete",
            "    compile LabeledFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=0",
            "      setup LabeledFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=0",
            "        dataset train dataset.size=8",
            "      phase select",
        ]
    )


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interrupted_step_is_recorded_and_raises(interruption: BaseException) -> None:
    """Ctrl-C inside a step reaches the user as without instrumentation; the trial and the compile both record it."""
    lm = addition_lm()
    program = dspy.Predict("question -> answer")
    program.set_lm(lm)
    with dspy.context(lm=lm), recording() as recorder, pytest.raises(type(interruption)) as raised:
        BetterTogether(exact, b=Breaking(interruption)).compile(program, trainset=examples(4), strategy="b")
    assert raised.value is interruption
    for name in ("trial BetterTogether", "compile BetterTogether", "compile Breaking"):
        last = recorder.named(name)[-1]
        assert (last.attributes or {})["error.type"] == type(interruption).__name__


def test_results_are_those_without_telemetry() -> None:
    """Scores, strategies and programs are the same with and without instrumentation."""
    plain = _optimize()
    with recording():
        watched = _optimize()
    recorded = [
        [(c["score"], c["strategy"], [p.demos for p in c["program"].predictors()]) for c in best.candidate_programs]
        for best in (plain, watched)
    ]
    assert recorded[0] == recorded[1]


def test_the_run_tree(tmp_path: Path) -> None:
    """Runs nest as the compiles did, at any depth; scores by step; the training set is written once."""
    best, runs = tracked_runs(tmp_path, _optimize)
    assert runs == snapshot(
        [
            "BetterTogether Predict: FINISHED",
            "  params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_errors=10, metric=exact, num_threads=8, optimizer_compile_args.l.sample=False, optimizers.broken=Breaking, optimizers.l=LabeledFewShot, optimizers.p=BootstrapFewShotWithRandomSearch, provide_traceback=False, seed=1, shuffle_trainset_between_steps=True, strategy=p -> l, valset_ratio=0.5",
            "  tags dspy.compile.best_trial.index=0, dspy.compile.step_failed=false",
            '  metrics score/best={"0": 50.0, "1": 50.0, "2": 50.0, "3": 50.0}, score/full={"0": 50.0, "1": 50.0, "2": 50.0}, score/initial=50.0, usage/lm_calls={"0": 4.0, "1": 32.0, "2": 36.0, "3": 36.0}',
            "  artifacts best_model.json, initial_model.json, optimization_summary.json, trainset.json, valset.json",
            "  1 traces",
            "    trial 0: start, no step: FINISHED",
            "      params strategy=",
            "      tags dspy.trial.index=0, dspy.trial.is_best=true, dspy.trial.kind=baseline, dspy.trial.label=no step, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=50.0, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 1: p: FINISHED",
            "      params optimizer=BootstrapFewShotWithRandomSearch, strategy=p",
            "      tags dspy.trial.index=1, dspy.trial.is_best=false, dspy.trial.kind=step, dspy.trial.label=p, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=50.0, score/num_examples=4.0, usage/lm_calls=28.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      4 traces",
            "        BootstrapFewShotWithRandomSearch Predict: FINISHED",
            "          params labeled_sample=True, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_bootstrapped_demos=4, max_errors=10, max_labeled_demos=1, max_rounds=1, metric=exact, num_candidate_programs=1, num_threads=1",
            "          tags dspy.compile.best_trial.index=0",
            '          metrics score/best={"0": 50.0, "1": 50.0, "2": 50.0, "3": 50.0, "4": 50.0}, score/full={"0": 50.0, "1": 50.0, "2": 50.0, "3": 50.0}, score/initial=50.0, usage/lm_calls={"0": 4.0, "1": 8.0, "2": 16.0, "3": 24.0, "4": 24.0}',
            "          artifacts best_model.json, initial_model.json, optimization_summary.json",
            "            trial 0: start, seed -3: FINISHED",
            "              params bootstrapped_demos=0, labeled_demos=0, seed=-3",
            "              tags dspy.trial.index=0, dspy.trial.is_best=true, dspy.trial.kind=baseline, dspy.trial.label=seed -3, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "              metrics score/full=50.0, score/num_examples=4.0, usage/lm_calls=4.0",
            "              artifacts candidate.json, changes.md, model.json, result_table.json",
            "              4 traces",
            "            trial 1: seed -2: FINISHED",
            "              params bootstrapped_demos=0, labeled_demos=1, seed=-2",
            "              tags dspy.trial.index=1, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=seed -2, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "              metrics score/full=50.0, score/num_examples=4.0, usage/lm_calls=4.0",
            "              artifacts candidate.json, changes.md, model.json, result_table.json",
            "              4 traces",
            "                LabeledFewShot Predict: FINISHED",
            "                  params k=1, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, sample=True",
            "                  metrics usage/lm_calls=0.0",
            "                  artifacts best_model.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "            trial 2: seed -1: FINISHED",
            "              params bootstrapped_demos=2, labeled_demos=0, seed=-1",
            "              tags dspy.trial.index=2, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=seed -1, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "              metrics score/full=50.0, score/num_examples=4.0, usage/lm_calls=8.0",
            "              artifacts candidate.json, changes.md, model.json, result_table.json",
            "              4 traces",
            "                BootstrapFewShot Predict: FINISHED",
            "                  params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_bootstrapped_demos=4, max_errors=10, max_labeled_demos=1, max_rounds=1, metric=exact",
            "                  metrics usage/lm_calls=4.0",
            "                  artifacts best_model.json, bootstrap_table.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "                  4 traces",
            "                    LabeledFewShot Predict: FINISHED",
            "                      params k=1, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, sample=True",
            "                      metrics usage/lm_calls=0.0",
            "                      artifacts best_model.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "            trial 3: seed 0: FINISHED",
            "              params bootstrapped_demos=2, labeled_demos=0, seed=0",
            "              tags dspy.trial.index=3, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=seed 0, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "              metrics score/full=50.0, score/num_examples=4.0, usage/lm_calls=8.0",
            "              artifacts candidate.json, changes.md, model.json, result_table.json",
            "              4 traces",
            "                BootstrapFewShot Predict: FINISHED",
            "                  params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_bootstrapped_demos=4, max_errors=10, max_labeled_demos=1, max_rounds=1, metric=exact",
            "                  metrics usage/lm_calls=4.0",
            "                  artifacts best_model.json, bootstrap_table.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "                  4 traces",
            "                    LabeledFewShot Predict: FINISHED",
            "                      params k=1, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, sample=True",
            "                      metrics usage/lm_calls=0.0",
            "                      artifacts best_model.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "    trial 2: p -> l: FINISHED",
            "      params optimizer=LabeledFewShot, strategy=p -> l",
            "      tags dspy.trial.index=2, dspy.trial.is_best=false, dspy.trial.kind=step, dspy.trial.label=p -> l, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=50.0, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      4 traces",
            "        LabeledFewShot Predict: FINISHED",
            "          params k=1, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, sample=False",
            "          metrics usage/lm_calls=0.0",
            "          artifacts best_model.json, candidates/demos.json, initial_model.json, optimization_summary.json",
        ]
    )
    assert sum("trainset.json" in line for line in runs) == 1
    assert best.candidate_programs[0]["score"] == 50.0
