"""Forecast and actual calls of each optimizer over several settings, on scripted models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import dspy
import pytest
from dspy.teleprompt import (
    BetterTogether,
    BootstrapFewShotWithOptuna,
    BootstrapFewShotWithRandomSearch,
    InferRules,
    LabeledFewShot,
)

from otel_dspy.hooks.optimizers.plans.program_calls import UNKNOWN, calls_of_a_run
from tests.support import gepa_task
from tests.support.addition_task import exact, examples
from tests.support.breakable_optimizations import OPTIMIZATIONS, outcome
from tests.support.breaking_point import BreakingPoint
from tests.support.learning_lm import learning_lm
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording
from tests.support.two_step_programs import Twice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_optimizers: Final[Any] = dspy.teleprompt
_ROLES: Final = ("task", "prompt", "reflection")


class Found(NamedTuple):
    """Forecast and actual number of calls of a role."""

    low: int | None
    actual: int
    high: int | None


def _found(optimize: Callable[[], object]) -> dict[str, Found]:
    with recording() as recorder:
        optimize()
    (compiling,) = [found for found in recorder.attributes_of("compile") if "compile.parent.id" not in found]
    (setup,) = [found for found in recorder.attributes_of("setup") if found["compile.id"] == compiling["compile.id"]]
    return {
        role: Found(
            setup.get(f"forecast.role.{role}.lm_calls.low"),
            compiling.get(f"usage.role.{role}.lm_calls", 0),
            setup.get(f"forecast.role.{role}.lm_calls.high"),
        )
        for role in _ROLES
        if f"usage.role.{role}.lm_calls" in compiling or f"forecast.role.{role}.lm_calls.low" in setup
    } | {
        "total": Found(
            setup.get("forecast.lm_calls.low"), compiling["usage.lm_calls"], setup.get("forecast.lm_calls.high")
        )
    }


def _compile(optimizer: Any, student: Any = None, **arguments: Any) -> Callable[[], object]:
    def optimize() -> object:
        program = dspy.Predict("question -> answer") if student is None else student()
        with dspy.context(lm=learning_lm()):
            return optimizer().compile(program, **arguments)

    return optimize


class Both(gepa_task.Pair):
    """Asks both of its predictors."""

    def forward(self, question: str) -> Any:
        """The answer of the second."""
        self.left(question=question)
        return self.right(question=question)


def _always(example: object, prediction: object, trace: object = None) -> bool:
    del example, prediction, trace
    return True


def _mipro(**settings: Any) -> Callable[[], Any]:
    return lambda: _optimizers.MIPROv2(**{"metric": _always, "auto": None, "num_threads": 1, **settings})


_QUIET: Final = {"num_threads": 1, "display_progress": False, "display_table": 0}
EXACT: Final[Mapping[str, Callable[[], object]]] = {
    "COPRO": _compile(
        lambda: _optimizers.COPRO(metric=exact, breadth=3, depth=2), trainset=examples(4), eval_kwargs=_QUIET
    ),
    "COPRO, depth 3": _compile(
        lambda: _optimizers.COPRO(metric=exact, breadth=2, depth=3), trainset=examples(3), eval_kwargs=_QUIET
    ),
    "COPRO, two predictors": _compile(
        lambda: _optimizers.COPRO(metric=exact, breadth=2, depth=2), Twice, trainset=examples(3), eval_kwargs=_QUIET
    ),
    "random search without a metric's choice": _compile(
        lambda: BootstrapFewShotWithRandomSearch(
            exact, num_candidate_programs=2, max_bootstrapped_demos=4, num_threads=1
        ),
        trainset=examples(1),
        valset=examples(7),
    ),
    "random search, labels only": _compile(
        lambda: BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=3, num_threads=1),
        trainset=examples(4),
        restrict=[-3, -2],
    ),
    "bootstrap without a metric": _compile(
        lambda: dspy.BootstrapFewShot(metric=None, max_bootstrapped_demos=3), trainset=examples(6)
    ),
    "labels": _compile(lambda: LabeledFewShot(k=2), trainset=examples(6)),
    "MIPROv2, without demos and proposals of data": _compile(
        _mipro(num_candidates=1, max_bootstrapped_demos=0, max_labeled_demos=0),
        trainset=examples(3),
        valset=examples(5),
        num_trials=4,
        minibatch=False,
        data_aware_proposer=False,
    ),
    "MIPROv2, minibatches": _compile(
        _mipro(num_candidates=2, max_bootstrapped_demos=1, max_labeled_demos=1),
        trainset=examples(3),
        valset=examples(6),
        num_trials=7,
        minibatch_size=2,
        minibatch_full_eval_steps=3,
    ),
    "MIPROv2, minibatches as large as the validation set": _compile(
        _mipro(num_candidates=4, max_bootstrapped_demos=0, max_labeled_demos=0),
        trainset=examples(1),
        valset=examples(6),
        num_trials=4,
        minibatch_size=6,
        minibatch_full_eval_steps=2,
        program_aware_proposer=False,
    ),
    "MIPROv2, two predictors": _compile(
        _mipro(num_candidates=2, max_bootstrapped_demos=1, max_labeled_demos=1),
        Twice,
        trainset=examples(10),
        num_trials=3,
        minibatch=False,
    ),
    "MIPROv2, a program without source": _compile(
        _mipro(num_candidates=2, max_bootstrapped_demos=1, max_labeled_demos=1),
        type("WithoutSource", (Twice,), {}),
        trainset=examples(10),
        num_trials=3,
        minibatch=False,
    ),
}  # fmt: skip
"""Optimizations whose number of calls is known before they start."""

RANGE: Final[Mapping[str, Callable[[], object]]] = {
    "random search": _compile(
        lambda: BootstrapFewShotWithRandomSearch(
            exact, num_candidate_programs=3, max_bootstrapped_demos=2, max_labeled_demos=2, num_threads=1
        ),
        trainset=examples(9),
    ),
    "random search with an early end": _compile(
        lambda: BootstrapFewShotWithRandomSearch(
            exact, num_candidate_programs=3, max_bootstrapped_demos=2, num_threads=1, stop_at_score=10
        ),
        trainset=examples(5),
    ),
    "MIPROv2, auto": _compile(
        _mipro(metric=exact, auto="light", max_bootstrapped_demos=2), trainset=examples(30)
    ),
    "Optuna": _compile(
        lambda: BootstrapFewShotWithOptuna(exact, num_candidate_programs=3, max_labeled_demos=1, num_threads=1),
        trainset=examples(6),
        max_demos=2,
    ),
    "InferRules": _compile(
        lambda: InferRules(num_candidates=3, num_rules=1, num_threads=1, metric=exact, max_bootstrapped_demos=2),
        trainset=examples(9),
    ),
    "BetterTogether": _compile(
        lambda: BetterTogether(
            exact,
            l=LabeledFewShot(k=1),
            p=BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=1, num_threads=1),
        ),
        lambda: _with_lm(dspy.Predict("question -> answer")),
        trainset=examples(8),
        valset_ratio=0.25,
        strategy="l -> p",
    ),
    **{f"SIMBA, {steps} steps": _compile(
        lambda steps=steps: _optimizers.SIMBA(metric=exact, bsize=4, num_candidates=3, max_steps=steps, num_threads=1),
        Twice,
        trainset=examples(5),
    ) for steps in (0, 1, 2, 4)},
    "GEPA": lambda: gepa_task.optimize(Both()),
    "GEPA, both predictors at once": lambda: gepa_task.optimize(Both(), component_selector="all", max_metric_calls=30),
    "GEPA, without merges": lambda: gepa_task.optimize(
        Both(), use_merge=False, max_metric_calls=None, max_full_evals=3
    ),
    "GEPA, less than the validation set": lambda: gepa_task.optimize(Both(), max_metric_calls=3),
}  # fmt: skip
"""Optimizations whose number of calls depends on answers and scores."""


def _with_lm(program: Any) -> Any:
    program.set_lm(cast("Any", dspy.settings).lm or learning_lm())
    return program


@pytest.mark.parametrize("name", EXACT)
def test_calls_are_exact(name: str) -> None:
    """The forecast is the number of calls made, by role and in total."""
    found = _found(EXACT[name])
    assert found["total"].actual > 0 or name == "labels"
    assert {role: (one.low, one.high) for role, one in found.items()} == {
        role: (one.actual, one.actual) for role, one in found.items()
    }


@pytest.mark.parametrize(
    "name",
    # Of SIMBA one step, and a step after another one, are among the others.
    [pytest.param(name, marks=[pytest.mark.slow] if name == "SIMBA, 4 steps" else []) for name in RANGE],
)
def test_calls_are_within_the_range(name: str) -> None:
    """The number of calls made lies within the forecast, by role and in total."""
    for role, (low, actual, high) in _found(RANGE[name]).items():
        assert low is not None, role
        assert high is not None, role
        assert low <= actual <= high, (role, low, actual, high)


@pytest.mark.parametrize("name", sorted({*OPTIMIZATIONS} - {"GRPO", "ReAnchor"}))
def test_each_optimizer_has_a_forecast(name: str) -> None:
    """The small optimizations of the other tests are within theirs, too."""
    for role, (low, actual, high) in _found(lambda: outcome(OPTIMIZATIONS[name], BreakingPoint())).items():
        assert low is not None, role
        assert high is not None, role
        assert low <= actual <= high, (role, low, actual, high)


@pytest.mark.parametrize("name", ["GRPO", "ReAnchor"])
def test_an_optimizer_without_arithmetic_has_no_forecast(name: str) -> None:
    """As have those of users."""
    assert _found(lambda: outcome(OPTIMIZATIONS[name], BreakingPoint()))["total"].low is None
    assert _found(_compile(lambda: Rounds(exact), trainset=examples(2)))["total"].low is None


def test_a_subclass_with_a_compile_of_its_own_has_no_forecast() -> None:
    """Its arithmetic may be another one."""

    class Own(LabeledFewShot):
        def compile(self, student: Any, *, trainset: list[Any], sample: bool = True) -> Any:
            student(question="1+1")
            return super().compile(student, trainset=trainset, sample=sample)

    found = _found(_compile(Own, trainset=examples(2)))
    assert found == {"task": Found(None, 1, None), "total": Found(None, 1, None)}


class _Direct(dspy.Module):
    """Calls its model without a predictor."""

    def forward(self, question: str) -> Any:
        """The answer."""
        return dspy.Predict("question -> answer")(question=question)


@pytest.mark.parametrize("program", [_Direct, lambda: cast("Any", dspy.ReAct)("question -> answer", tools=[])])
def test_unknown_calls_have_no_upper_bound(program: Callable[[], Any]) -> None:
    """Of an agent, and of a program without predictors."""
    amount, note = calls_of_a_run(program())
    assert (amount.high, note) == (None, UNKNOWN)


def test_an_agent_has_no_upper_bound() -> None:
    """How often it calls its model is its own choice."""
    agent: Any = dspy.ReAct
    optimizer = dspy.BootstrapFewShot(metric=None, max_bootstrapped_demos=2, max_errors=9)
    with recording() as recorder, dspy.context(lm=learning_lm()):
        optimizer.compile(agent("question -> answer", tools=[]), trainset=examples(2))
    (setup,) = [found for found in recorder.attributes_of("setup") if found["optimizer.name"] == "BootstrapFewShot"]
    assert setup["forecast.lm_calls.low"] == 2
    assert "forecast.lm_calls.high" not in setup
