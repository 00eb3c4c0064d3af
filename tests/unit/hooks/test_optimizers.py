"""The control trace of an optimization, optimizer by optimizer."""

from __future__ import annotations

from typing import Any, cast

import dspy
from dspy.teleprompt import BootstrapFewShotWithRandomSearch
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording


def test_mipro_records_its_phases_and_every_trial() -> None:
    """Baseline, minibatch candidates and full evaluations are trials of their own, with the choices of each."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        optimizer = dspy.MIPROv2(
            exact, auto=None, num_candidates=2, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=1
        )
        best: Any = optimizer.compile(
            dspy.Predict("question -> answer"),
            trainset=examples(4),
            valset=examples(6),
            num_trials=3,
            minibatch_size=2,
            minibatch_full_eval_steps=2,
        )
    assert [
        line for line in recorder.tree("compile", "trial", "phase") if "module" not in line and "chat" not in line
    ] == snapshot(
        [
            "compile MIPROv2 trial.score.unit=percent",
            "  setup MIPROv2",
            "    dataset train",
            "    dataset validation",
            "  phase bootstrap phase.name=bootstrap",
            "    compile LabeledFewShot",
            "      setup LabeledFewShot",
            "        dataset train",
            "      phase select phase.name=select",
            "  phase propose phase.name=propose",
            "  phase search phase.name=search",
            "    trial MIPROv2 trial.best_score=50.0 trial.index=0 trial.is_best=True trial.kind=baseline trial.label=default program trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "      evaluate exact trial.index=0",
            "    trial MIPROv2 trial.best_score=50.0 trial.index=1 trial.is_best=False trial.kind=candidate trial.label=trial 2 trial.parameter.0_predictor_demos=0 trial.parameter.0_predictor_instruction=1 trial.scope=minibatch trial.score=100.0 trial.score.unit=percent trial.state=complete",
            "      evaluate exact trial.index=1",
            "    trial MIPROv2 trial.best_score=50.0 trial.index=2 trial.is_best=False trial.kind=candidate trial.label=trial 3 trial.parameter.0_predictor_demos=0 trial.parameter.0_predictor_instruction=1 trial.scope=minibatch trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "      evaluate exact trial.index=2",
            "    trial MIPROv2 trial.best_score=50.0 trial.index=3 trial.is_best=False trial.kind=full_evaluation trial.label=full eval trial.parameter.0_predictor_demos=0 trial.parameter.0_predictor_instruction=1 trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "      evaluate exact trial.index=3",
            "    trial MIPROv2 trial.best_score=50.0 trial.index=4 trial.is_best=False trial.kind=candidate trial.label=trial 5 trial.parameter.0_predictor_demos=1 trial.parameter.0_predictor_instruction=1 trial.scope=minibatch trial.score=0.0 trial.score.unit=percent trial.state=complete",
            "      evaluate exact trial.index=4",
            "    trial MIPROv2 trial.best_score=50.0 trial.index=5 trial.is_best=False trial.kind=full_evaluation trial.label=full eval trial.parameter.0_predictor_demos=1 trial.parameter.0_predictor_instruction=1 trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "      evaluate exact trial.index=5",
        ]
    )
    scores = {trial["dspy.trial.label"]: trial["dspy.trial.score"] for trial in _attributes(recorder.named("trial"))}
    logs = best.trial_logs
    assert scores["default program"] == logs[1]["full_eval_score"]
    assert scores["trial 2"] == logs[2]["mb_score"]
    assert scores["trial 3"] == logs[3]["mb_score"]


def test_mipro_setup_records_what_auto_resolved_to() -> None:
    """Constructor, compile arguments and what `auto` resolved to are parameters; the implicit validation set is recorded."""
    with dspy.context(lm=addition_lm()), recording(capture_datasets=True) as recorder:
        optimizer = dspy.MIPROv2(exact, auto="light", num_threads=1, max_bootstrapped_demos=0, max_labeled_demos=0)
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(10))
    (setup,) = _attributes(recorder.named("setup MIPROv2"))
    assert {name.removeprefix("dspy."): value for name, value in setup.items()} == snapshot(
        {
            "operation.name": "setup",
            "compile.id": "c1",
            "optimizer.name": "MIPROv2",
            "program.name": "Predict",
            "metric.name": "exact",
            "optimizer.parameter.metric": "exact",
            "optimizer.parameter.prompt_model": "openai/scripted",
            "optimizer.parameter.task_model": "openai/scripted",
            "optimizer.parameter.max_bootstrapped_demos": 0,
            "optimizer.parameter.max_labeled_demos": 0,
            "optimizer.parameter.auto": "light",
            "optimizer.parameter.num_threads": 1,
            "optimizer.parameter.max_errors": 10,
            "optimizer.parameter.provide_traceback": False,
            "optimizer.parameter.seed": 9,
            "optimizer.parameter.init_temperature": 1.0,
            "optimizer.parameter.verbose": False,
            "optimizer.parameter.track_stats": True,
            "optimizer.parameter.minibatch": False,
            "optimizer.parameter.minibatch_size": 35,
            "optimizer.parameter.minibatch_full_eval_steps": 5,
            "optimizer.parameter.program_aware_proposer": True,
            "optimizer.parameter.data_aware_proposer": True,
            "optimizer.parameter.view_data_batch_size": 10,
            "optimizer.parameter.tip_aware_proposer": True,
            "optimizer.parameter.fewshot_aware_proposer": True,
            "optimizer.parameter.num_trials": 9,
            "optimizer.parameter.num_instruct_candidates": 6,
            "optimizer.parameter.num_fewshot_candidates": 6,
            "lm.parameter.model_type": "chat",
            "lm.parameter.cache": False,
            "lm.parameter.num_retries": 0,
            "forecast.lm_calls.low": 106,
            "forecast.lm_calls.high": 110,
            "forecast.role.task.lm_calls.low": 86,
            "forecast.role.task.lm_calls.high": 90,
            "forecast.role.prompt.lm_calls.low": 20,
            "forecast.role.prompt.lm_calls.high": 20,
            "lm.model": "openai/scripted",
            "program.id": "fef79cf629e129fd",
        }
    )
    datasets = {
        (dataset["dspy.dataset.role"], dataset["dspy.dataset.name"], dataset["dspy.dataset.size"])
        for dataset in _attributes(recorder.named("dataset"))
        if dataset["dspy.compile.id"] == "c1"
    }
    assert datasets == {("train", "trainset", 10), ("validation", "valset", 8)}


def test_random_search_names_each_trial_by_its_seed() -> None:
    """A seed's nested compiles are steps of its trial; seeds and scores are those of `candidate_programs`."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        optimizer = BootstrapFewShotWithRandomSearch(
            exact, num_candidate_programs=2, num_threads=2, max_labeled_demos=2
        )
        best = cast("Any", optimizer).compile(dspy.Predict("question -> answer"), trainset=examples(4))
    tree = recorder.tree(
        "compile", "trial.label", "trial.kind", "trial.score", "trial.is_best", "compile.parent", "compile.depth"
    )
    assert [line for line in tree if not line.lstrip().startswith(("module", "chat"))] == snapshot(
        [
            "compile BootstrapFewShotWithRandomSearch trial.score.unit=percent",
            "  setup BootstrapFewShotWithRandomSearch",
            "    dataset train",
            "    dataset validation",
            "  trial BootstrapFewShotWithRandomSearch trial.is_best=True trial.kind=baseline trial.label=seed -3 trial.score=50.0 trial.score.unit=percent",
            "    evaluate exact",
            "  trial BootstrapFewShotWithRandomSearch trial.is_best=False trial.kind=candidate trial.label=seed -2 trial.score=50.0 trial.score.unit=percent",
            "    compile LabeledFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=1",
            "      setup LabeledFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=1",
            "        dataset train",
            "      phase select",
            "    evaluate exact",
            "  trial BootstrapFewShotWithRandomSearch trial.is_best=False trial.kind=candidate trial.label=seed -1 trial.score=50.0 trial.score.unit=percent",
            "    compile BootstrapFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=2",
            "      setup BootstrapFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=2",
            "        dataset train",
            "      compile LabeledFewShot compile.depth=2 compile.parent.id=c3",
            "        setup LabeledFewShot compile.depth=2 compile.parent.id=c3",
            "          dataset train",
            "        phase select",
            "      phase bootstrap",
            "        evaluate exact",
            "      phase select",
            "    evaluate exact",
            "  trial BootstrapFewShotWithRandomSearch trial.is_best=False trial.kind=candidate trial.label=seed 0 trial.score=50.0 trial.score.unit=percent",
            "    compile BootstrapFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=3",
            "      setup BootstrapFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=3",
            "        dataset train",
            "      compile LabeledFewShot compile.depth=2 compile.parent.id=c5",
            "        setup LabeledFewShot compile.depth=2 compile.parent.id=c5",
            "          dataset train",
            "        phase select",
            "      phase bootstrap",
            "        evaluate exact",
            "      phase select",
            "    evaluate exact",
            "  trial BootstrapFewShotWithRandomSearch trial.is_best=False trial.kind=candidate trial.label=seed 1 trial.score=50.0 trial.score.unit=percent",
            "    compile BootstrapFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=4",
            "      setup BootstrapFewShot compile.depth=1 compile.parent.id=c1 compile.parent.trial.index=4",
            "        dataset train",
            "      compile LabeledFewShot compile.depth=2 compile.parent.id=c7",
            "        setup LabeledFewShot compile.depth=2 compile.parent.id=c7",
            "          dataset train",
            "        phase select",
            "      phase bootstrap",
            "        evaluate exact",
            "      phase select",
            "    evaluate exact",
        ]
    )
    recorded = {
        (trial["dspy.trial.parameter.seed"], trial["dspy.trial.score"])
        for trial in _attributes(recorder.named("trial BootstrapFewShotWithRandomSearch"))
    }
    assert recorded == {(candidate["seed"], candidate["score"]) for candidate in best.candidate_programs}


def test_random_search_respects_restrict() -> None:
    """With `restrict`, the trials are the seeds that it names, and the index stays dense."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        optimizer = BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=2, num_threads=1)
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(4), restrict=[1, -2])
    trials = _attributes(recorder.named("trial"))
    assert [(t["dspy.trial.index"], t["dspy.trial.label"]) for t in trials] == [(0, "seed -2"), (1, "seed 1")]


def test_an_unknown_optimizer_has_derived_trials() -> None:
    """Each Evaluate directly under an unknown compile is a trial, also of a class defined after `instrument`."""
    with dspy.context(lm=addition_lm()), recording() as recorder:

        class DefinedAfter(Rounds):
            def compile(self, student: Any, *, trainset: list[Any], **kwargs: Any) -> Any:
                return super().compile(student, trainset=trainset, **kwargs)

        Rounds(exact).compile(dspy.Predict("question -> answer"), trainset=examples(2))
        DefinedAfter(exact, rounds=1).compile(dspy.Predict("question -> answer"), trainset=examples(2))
    assert recorder.tree("compile", "trial", "compile", "optimizer") == snapshot(
        [
            "compile Rounds compile.best_score=50.0 compile.best_trial.index=0 compile.id=c1 compile.trial.count=2 optimizer.name=Rounds optimizer.parameter.metric=exact optimizer.parameter.rounds=2 trial.score.unit=percent",
            "  setup Rounds compile.id=c1 optimizer.name=Rounds optimizer.parameter.metric=exact optimizer.parameter.rounds=2",
            "    dataset train compile.id=c1",
            "  trial Rounds compile.id=c1 compile.usage.cache_hits=0 compile.usage.input_tokens=20 compile.usage.lm_calls=2 compile.usage.model.openai/scripted.input_tokens=20 compile.usage.model.openai/scripted.lm_calls=2 compile.usage.model.openai/scripted.output_tokens=10 compile.usage.model.openai/scripted.unpriced_calls=2 compile.usage.output_tokens=10 compile.usage.role.task.cache_hits=0 compile.usage.role.task.input_tokens=20 compile.usage.role.task.lm_calls=2 compile.usage.role.task.output_tokens=10 compile.usage.role.task.unpriced_calls=2 compile.usage.unpriced_calls=2 optimizer.name=Rounds trial.best_score=50.0 trial.derived=True trial.index=0 trial.is_best=True trial.kind=candidate trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "    evaluate exact compile.id=c1 trial.index=0",
            "  trial Rounds compile.id=c1 compile.usage.cache_hits=0 compile.usage.input_tokens=40 compile.usage.lm_calls=4 compile.usage.model.openai/scripted.input_tokens=40 compile.usage.model.openai/scripted.lm_calls=4 compile.usage.model.openai/scripted.output_tokens=20 compile.usage.model.openai/scripted.unpriced_calls=4 compile.usage.output_tokens=20 compile.usage.role.task.cache_hits=0 compile.usage.role.task.input_tokens=40 compile.usage.role.task.lm_calls=4 compile.usage.role.task.output_tokens=20 compile.usage.role.task.unpriced_calls=4 compile.usage.unpriced_calls=4 optimizer.name=Rounds trial.best_score=50.0 trial.derived=True trial.index=1 trial.is_best=False trial.kind=candidate trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "    evaluate exact compile.id=c1 trial.index=1",
            "compile DefinedAfter compile.best_score=50.0 compile.best_trial.index=0 compile.id=c2 compile.trial.count=1 optimizer.name=DefinedAfter optimizer.parameter.metric=exact optimizer.parameter.rounds=1 trial.score.unit=percent",
            "  setup DefinedAfter compile.id=c2 optimizer.name=DefinedAfter optimizer.parameter.metric=exact optimizer.parameter.rounds=1",
            "    dataset train compile.id=c2",
            "  trial DefinedAfter compile.id=c2 compile.usage.cache_hits=0 compile.usage.input_tokens=20 compile.usage.lm_calls=2 compile.usage.model.openai/scripted.input_tokens=20 compile.usage.model.openai/scripted.lm_calls=2 compile.usage.model.openai/scripted.output_tokens=10 compile.usage.model.openai/scripted.unpriced_calls=2 compile.usage.output_tokens=10 compile.usage.role.task.cache_hits=0 compile.usage.role.task.input_tokens=20 compile.usage.role.task.lm_calls=2 compile.usage.role.task.output_tokens=10 compile.usage.role.task.unpriced_calls=2 compile.usage.unpriced_calls=2 optimizer.name=DefinedAfter trial.best_score=50.0 trial.derived=True trial.index=0 trial.is_best=True trial.kind=candidate trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete",
            "    evaluate exact compile.id=c2 trial.index=0",
        ]
    )


def test_a_program_state_goes_out_once_in_a_compile() -> None:
    """The second trial of the same program names its id alone; the first mention carries the state."""
    with dspy.context(lm=addition_lm()), recording(capture_programs=True) as recorder:
        Rounds(exact).compile(dspy.Predict("question -> answer"), trainset=examples(2))
    carriers = [span.name for span in recorder.spans if "dspy.program.state" in (span.attributes or {})]
    ids = {
        str(span.attributes["dspy.program.id"])
        for span in recorder.spans
        if span.attributes and "dspy.program.id" in span.attributes
    }
    assert carriers == ["setup Rounds"]
    assert len(ids) == 1


def _attributes(spans: Any) -> list[dict[str, Any]]:
    return [dict(span.attributes) for span in spans]
