from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from inline_snapshot import snapshot

from tests.support.span_recorder import recording
from tests.versions.scenario import Sums, exact, examples, served

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.span_recorder import Recorder


def _recorded(work: Callable[[], Any], **settings: Any) -> Recorder:
    with served() as (_, lm), dspy.context(lm=lm), recording(**settings) as recorder:
        work()
    return recorder


def test_an_evaluation() -> None:
    """One evaluation with its score, its examples in order with theirs, whatever threads they ran in."""
    recorder = _recorded(
        lambda: dspy.Evaluate(devset=examples(4), metric=exact, num_threads=2, display_progress=False)(Sums())
    )
    assert recorder.tree("evaluate", "evaluate.score", "evaluate.metric", "evaluate.size", "usage") == snapshot(
        [
            "evaluate exact evaluate.score=50.0 usage.cache_hits=0 usage.input_tokens=40 usage.lm_calls=4 usage.model.openai/scripted.input_tokens=40 usage.model.openai/scripted.lm_calls=4 usage.model.openai/scripted.output_tokens=20 usage.model.openai/scripted.unpriced_calls=4 usage.output_tokens=20 usage.role.task.cache_hits=0 usage.role.task.input_tokens=40 usage.role.task.lm_calls=4 usage.role.task.output_tokens=20 usage.role.task.unpriced_calls=4 usage.unpriced_calls=4",
            "  dataset evaluation",
        ]
    )
    scores = sorted(
        (recorded["example.index"], recorded["example.score"]) for recorded in recorder.attributes_of("example")
    )
    assert scores == [(0, 0.0), (1, 1.0), (2, 0.0), (3, 1.0)]
    assert len(recorder.named("chat")) == 4


def test_a_failing_metric() -> None:
    """An example whose metric raises is an error; the evaluation goes on."""

    def broken(example: Any, prediction: Any, trace: object = None) -> float:
        if example.question == "0+1":
            raise ValueError("the metric is broken")
        return exact(example, prediction, trace)

    recorder = _recorded(
        lambda: dspy.Evaluate(devset=examples(3), metric=broken, num_threads=1, display_progress=False)(Sums())
    )
    assert sorted(
        (recorded["example.index"], recorded.get("example.score"), recorded.get("error.type"))
        for recorded in recorder.attributes_of("example")
    ) == [(0, None, "ValueError"), (1, 1.0, None), (2, 0.0, None)]


def test_random_search() -> None:
    """A trial a seed, with the score that DSPy keeps, best and last; the compile sums up the tokens."""

    def compiled() -> Any:
        optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
            metric=exact, max_bootstrapped_demos=1, max_labeled_demos=1, num_candidate_programs=1, num_threads=1
        )
        return optimizer.compile(Sums(), trainset=examples(2), valset=examples(4))

    recorder = _recorded(compiled)
    assert recorder.control("compile", "trial.label", "trial.score", "compile.best", "usage.lm_calls") == snapshot(
        [
            "compile BootstrapFewShotWithRandomSearch compile.best_score=50.0 compile.best_trial.index=0 trial.score.unit=percent usage.lm_calls=20",
            "  setup BootstrapFewShotWithRandomSearch",
            "    dataset train",
            "    dataset validation",
            "  trial BootstrapFewShotWithRandomSearch trial.label=seed -3 trial.score=50.0 trial.score.unit=percent usage.lm_calls=4",
            "    evaluate exact usage.lm_calls=4",
            "  trial BootstrapFewShotWithRandomSearch trial.label=seed -2 trial.score=50.0 trial.score.unit=percent usage.lm_calls=4",
            "    compile LabeledFewShot usage.lm_calls=0",
            "      setup LabeledFewShot",
            "        dataset train",
            "      phase select",
            "    evaluate exact usage.lm_calls=4",
            "  trial BootstrapFewShotWithRandomSearch trial.label=seed -1 trial.score=50.0 trial.score.unit=percent usage.lm_calls=6",
            "    compile BootstrapFewShot usage.lm_calls=2",
            "      setup BootstrapFewShot",
            "        dataset train",
            "      compile LabeledFewShot usage.lm_calls=0",
            "        setup LabeledFewShot",
            "          dataset train",
            "        phase select",
            "      phase bootstrap",
            "        evaluate exact usage.lm_calls=2",
            "      phase select",
            "    evaluate exact usage.lm_calls=4",
            "  trial BootstrapFewShotWithRandomSearch trial.label=seed 0 trial.score=50.0 trial.score.unit=percent usage.lm_calls=6",
            "    compile BootstrapFewShot usage.lm_calls=2",
            "      setup BootstrapFewShot",
            "        dataset train",
            "      compile LabeledFewShot usage.lm_calls=0",
            "        setup LabeledFewShot",
            "          dataset train",
            "        phase select",
            "      phase bootstrap",
            "        evaluate exact usage.lm_calls=2",
            "      phase select",
            "    evaluate exact usage.lm_calls=4",
        ]
    )


def test_mipro_v2() -> None:
    """Its phases, the default program, minibatch candidates and full evaluations, each a trial with its score."""

    def compiled() -> Any:
        optimizer: Any = dspy.MIPROv2(
            metric=exact, auto=None, num_candidates=2, max_bootstrapped_demos=1, max_labeled_demos=1, num_threads=1
        )
        return optimizer.compile(
            Sums(),
            trainset=examples(4),
            valset=examples(4),
            num_trials=2,
            minibatch_size=2,
            minibatch_full_eval_steps=2,
            requires_permission_to_run=False,
        )

    recorder = _recorded(compiled)
    trials = recorder.attributes_of("trial")
    assert [
        (recorded["trial.kind"], recorded["trial.label"], recorded["trial.scope"]) for recorded in trials
    ] == snapshot(
        [
            ("baseline", "default program", "full"),
            ("candidate", "trial 2", "minibatch"),
            ("candidate", "trial 3", "minibatch"),
            ("full_evaluation", "full eval", "full"),
        ]
    )
    assert all(isinstance(recorded["trial.score"], float) for recorded in trials)


def test_a_failing_compile() -> None:
    """What compile raises reaches the user; compile, trial and evaluation are errors of that type."""

    def broken(*_arguments: object) -> float:
        raise ValueError("the metric is broken")

    def compiled() -> Any:
        optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
            metric=broken, num_candidate_programs=1, num_threads=1, max_errors=1
        )
        with pytest.raises(Exception, match="cancelled"):
            optimizer.compile(Sums(), trainset=examples(1), valset=examples(1))

    recorder = _recorded(compiled)
    assert recorder.control("compile", "error.type", "trial.state", "trial.label") == snapshot(
        [
            "compile BootstrapFewShotWithRandomSearch error.type=Exception ERROR(Execution cancelled due to errors or interruption.)",
            "  setup BootstrapFewShotWithRandomSearch",
            "    dataset train",
            "    dataset validation",
            "  trial BootstrapFewShotWithRandomSearch trial.label=seed -3 trial.state=fail error.type=Exception ERROR(Execution cancelled due to errors or interruption.)",
            "    evaluate broken error.type=Exception ERROR(Execution cancelled due to errors or interruption.)",
        ]
    )
