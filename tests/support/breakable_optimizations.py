"""A small deterministic optimization with each optimizer, for failures injected by `BreakingPoint`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

import dspy
import optuna
from dspy.teleprompt import (
    BetterTogether,
    BootstrapFewShotWithOptuna,
    BootstrapFewShotWithRandomSearch,
    BootstrapFinetune,
    InferRules,
    LabeledFewShot,
    reanchor,
)
from dspy.teleprompt.grpo import GRPO

from tests.support.addition_task import examples
from tests.support.breaking_point import BreakingPoint
from tests.support.in_process_lm import in_process_lm
from tests.support.large_numbers_task import IsLarge, numbers, probably, right
from tests.support.learning_lm import learning_lm
from tests.support.stub_trainers import StubFinetuning, StubReinforcement
from tests.support.two_step_programs import Twice

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping


DEMOS: Final[Mapping[str, Any]] = {"max_bootstrapped_demos": 1, "max_labeled_demos": 1}


def _student() -> dspy.Module:
    return dspy.Predict("question -> answer")


def _simba(point: BreakingPoint) -> Any:
    optimizer: Any = dspy.SIMBA(metric=point.metric, bsize=2, num_candidates=2, max_steps=1, max_demos=1, num_threads=1)
    return optimizer.compile(_student(), trainset=examples(2), seed=4)


def _copro(point: BreakingPoint) -> Any:
    optimizer: Any = dspy.COPRO(metric=point.metric, breadth=2, depth=2)
    evaluation = {"num_threads": 1, "display_progress": False, "display_table": 0}
    return optimizer.compile(_student(), trainset=examples(2), eval_kwargs=evaluation)


def _bootstrap(point: BreakingPoint) -> Any:
    optimizer: Any = dspy.BootstrapFewShot(point.metric, max_bootstrapped_demos=3, max_labeled_demos=0)
    return optimizer.compile(_student(), trainset=examples(5))


def _infer_rules(point: BreakingPoint) -> Any:
    optimizer: Any = InferRules(num_candidates=2, num_rules=1, num_threads=1, metric=point.metric, **DEMOS)
    return optimizer.compile(_student(), trainset=examples(4))


def _optuna(point: BreakingPoint) -> Any:
    optimizer: Any = BootstrapFewShotWithOptuna(point.metric, num_candidate_programs=2, num_threads=1, **DEMOS)
    return optimizer.compile(_student(), max_demos=1, trainset=examples(2))


def _random_search(point: BreakingPoint) -> Any:
    optimizer: Any = BootstrapFewShotWithRandomSearch(point.metric, num_candidate_programs=1, num_threads=1, **DEMOS)
    return optimizer.compile(_student(), trainset=examples(2))


def _mipro(point: BreakingPoint) -> Any:
    optimizer: Any = dspy.MIPROv2(point.metric, auto=None, num_candidates=3, num_threads=1, seed=2, **DEMOS)
    return optimizer.compile(
        _student(),
        trainset=examples(2),
        valset=examples(2),
        num_trials=1,
        minibatch=False,
        program_aware_proposer=False,
        data_aware_proposer=False,
    )


def _better_together(point: BreakingPoint) -> Any:
    search = BootstrapFewShotWithRandomSearch(point.metric, num_candidate_programs=1, num_threads=1, **DEMOS)
    optimizer: Any = BetterTogether(point.metric, p=search, l=LabeledFewShot(k=1))
    student = _student()
    student.set_lm(cast("Any", dspy.settings).lm)  # BetterTogether wants it on the program itself
    best = optimizer.compile(
        student,
        trainset=examples(4),
        strategy="l -> p",
        num_threads=1,
        seed=1,
        valset_ratio=0.5,
        optimizer_compile_args={"l": {"sample": False}},
    )
    best.set_lm(None)  # which cannot be dumped with the rest
    return best


def _finetune(point: BreakingPoint) -> Any:
    lm: Any = cast("Any", dspy.settings).lm
    lm.provider = StubFinetuning()
    program: Any = Twice()
    program.set_lm(lm)
    best: Any = BootstrapFinetune(point.metric, num_threads=1).compile(program, examples(4))
    tuned = {predictor.lm.model for predictor in best.predictors()}
    best.set_lm(None)
    best.tuned = sorted(tuned)
    return best


def _reanchor(point: BreakingPoint) -> Any:
    def answer(messages: Any) -> str:
        point.pass_by()
        return probably(messages)

    def metric(example: dspy.Example, prediction: Any, trace: object = None) -> float:
        point.pass_by()
        return right(example, prediction, trace)

    optimizer: Any = cast("Any", reanchor).ReAnchor(metric, num_threads=1, require_cache=False)
    with dspy.context(lm=in_process_lm(answer)):
        return optimizer.compile(dspy.Predict(IsLarge), trainset=numbers(1, 7), valset=numbers(0, 9))


def _grpo(point: BreakingPoint) -> Any:
    lm: Any = cast("Any", dspy.settings).lm
    lm.provider = StubReinforcement()
    program = _student()
    program.set_lm(lm)
    optimizer: Any = GRPO(
        point.metric,
        exclude_demos=True,
        num_threads=1,
        num_train_steps=2,
        num_dspy_examples_per_grpo_step=1,
        num_rollouts_per_grpo_step=2,
        num_steps_for_val=1,
        report_train_scores=True,
    )
    best = optimizer.compile(program, trainset=examples(2), valset=examples(3))
    best.set_lm(None)
    return best


OPTIMIZATIONS: Final[Mapping[str, Callable[[BreakingPoint], Any]]] = {
    "SIMBA": _simba,
    "COPRO": _copro,
    "BootstrapFewShot": _bootstrap,
    "InferRules": _infer_rules,
    "BootstrapFewShotWithOptuna": _optuna,
    "BootstrapFewShotWithRandomSearch": _random_search,
    "MIPROv2": _mipro,
    "BetterTogether": _better_together,
    "BootstrapFinetune": _finetune,
    "GRPO": _grpo,
    "ReAnchor": _reanchor,
}


@contextmanager
def _seeded() -> Generator[None]:
    """Optuna's sampler draws the same numbers each time: the optimizer has no seed for it."""
    create: Any = optuna.create_study

    def with_seed(**kwargs: Any) -> optuna.Study:
        # MIPROv2 has a seed, and gives its own.
        return create(**{"sampler": optuna.samplers.RandomSampler(seed=1), **kwargs})

    with patch.object(optuna, "create_study", with_seed):
        yield


def outcome(optimize: Callable[[BreakingPoint], Any], point: BreakingPoint) -> tuple[Any, ...]:
    """What the user sees: the program's state and scores, or the error itself; and how many calls were made."""
    try:
        with _seeded(), dspy.context(lm=learning_lm(fickle=True, before=point.pass_by)):
            best = optimize(point)
    except BaseException as error:  # noqa: BLE001 - whichever it is, it is compared
        return type(error), str(error), error is point.error, point.calls
    scores = [candidate["score"] for candidate in getattr(best, "candidate_programs", ())]
    return best.dump_state(), scores, point.calls


def calls_of(optimize: Callable[[BreakingPoint], Any]) -> int:
    """How many calls of the model and of the metric it makes when nothing breaks."""
    point = BreakingPoint()
    outcome(optimize, point)
    return point.calls
