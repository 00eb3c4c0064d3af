"""The best trial is the one whose program the optimizer returns, whatever scores decide it: NaN, infinity, ties."""

from __future__ import annotations

import itertools
import math
import sys
from typing import TYPE_CHECKING, Any, Final

import dspy
import pytest
from dspy.teleprompt import BetterTogether, InferRules, LabeledFewShot

from otel_dspy import Budget, BudgetExceeded
from tests.support.addition_task import examples
from tests.support.gepa_task import Pair, questions, reflection_lm, task_lm
from tests.support.learning_lm import learning_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAN: Final = math.nan
INF: Final = math.inf
SIZE: Final = 4
"""Examples of each evaluation."""
SORTS_AS_BEFORE: Final = sys.version_info < (3, 13)
"""Whether `sorted` orders numbers beside NaN, which have no order, as it did before Python 3.13."""
_optimizers: Final[Any] = dspy.teleprompt  # its annotations refuse part of what it takes


class Scripted:
    """A metric whose value depends on the number of the evaluation alone: the n-th one scores the n-th value.

    The last value is that of all later evaluations. Bootstraps, which give the metric a trace, find every demo good.
    """

    def __init__(self, values: Sequence[float], size: int = SIZE) -> None:
        self._values = values
        self._size = size
        self._calls = itertools.count()

    def __call__(self, gold: Any, pred: Any, trace: object = None) -> float:
        """The value."""
        del gold, pred
        if trace is not None:
            return True
        return self._values[min(next(self._calls) // self._size, len(self._values) - 1)]


def _student() -> dspy.Module:
    return dspy.Predict("question -> answer")


def _random_search(metric: Any) -> Any:
    optimizer = _optimizers.BootstrapFewShotWithRandomSearch(
        metric, num_candidate_programs=1, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=2
    )
    return optimizer.compile(_student(), trainset=examples(6), valset=examples(SIZE))


def _mipro(metric: Any) -> Any:
    optimizer = _optimizers.MIPROv2(
        metric, auto=None, num_candidates=3, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=1, max_errors=2
    )
    return optimizer.compile(
        _student(), trainset=examples(6), valset=examples(SIZE), num_trials=3, minibatch=False,
    )  # fmt: skip


def _copro(metric: Any) -> Any:
    optimizer = _optimizers.COPRO(metric=metric, breadth=2, depth=2)
    evaluation = {"num_threads": 1, "display_progress": False, "display_table": 0}
    return optimizer.compile(_student(), trainset=examples(SIZE), eval_kwargs=evaluation)


def _two_step_copro(metric: Any) -> Any:
    class TwoSteps(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read = dspy.Predict("question -> answer")
            self.say = dspy.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            self.read(question=question)
            return self.say(question=question)

    optimizer = _optimizers.COPRO(metric=metric, breadth=2, depth=2)
    evaluation = {"num_threads": 1, "display_progress": False, "display_table": 0}
    return optimizer.compile(TwoSteps(), trainset=examples(SIZE), eval_kwargs=evaluation)


def _simba(metric: Any) -> Any:
    optimizer = _optimizers.SIMBA(metric=metric, bsize=SIZE, num_candidates=2, max_steps=2, max_demos=1, num_threads=1)
    return optimizer.compile(_student(), trainset=examples(SIZE), seed=3)


def _infer_rules(metric: Any) -> Any:
    optimizer: Any = InferRules(
        num_candidates=3, num_rules=1, num_threads=1, metric=metric, max_bootstrapped_demos=1, max_labeled_demos=0
    )
    return optimizer.compile(_student(), trainset=examples(6), valset=examples(SIZE))


def _better_together(metric: Any) -> Any:
    lm = learning_lm()
    student = _student()
    student.set_lm(lm)
    optimizer: Any = BetterTogether(metric, l=LabeledFewShot(k=1), m=LabeledFewShot(k=2))
    return optimizer.compile(student, trainset=examples(6), valset=examples(SIZE), strategy="l -> m", num_threads=1)


def _optuna(metric: Any) -> Any:
    optimizer = _optimizers.BootstrapFewShotWithOptuna(
        metric, num_candidate_programs=4, num_threads=1, max_bootstrapped_demos=2, max_labeled_demos=3
    )
    return optimizer.compile(_student(), max_demos=2, trainset=examples(4), valset=examples(SIZE))


@pytest.mark.parametrize(
    ("optimize", "values", "best"),
    [
        # `max` never leaves a NaN that comes first.
        pytest.param(_random_search, [NAN, 1.0], 0, id="RandomSearch, NaN first"),
        pytest.param(_random_search, [0.5, NAN, 1.0], 2, id="RandomSearch, NaN between"),
        pytest.param(_random_search, [0.5, INF, 1.0], 1, id="RandomSearch, infinity"),
        pytest.param(_random_search, [-INF], 0, id="RandomSearch, minus infinity alone"),
        pytest.param(_random_search, [0.5, 1.0, 1.0], 1, id="RandomSearch, a tie"),
        pytest.param(_mipro, [0.5, NAN, 1.0], 2, id="MIPROv2, NaN between"),
        pytest.param(_mipro, [0.5, 1.0, 1.0], 1, id="MIPROv2, a tie"),
        pytest.param(_mipro, [-INF], 0, id="MIPROv2, minus infinity alone"),
        # Two steps come first, with 8 samples and 3 candidates each.
        pytest.param(_simba, [*[0.5] * 10, NAN, 1.0], 6, id="SIMBA, NaN first"),
        pytest.param(_simba, [*[0.5] * 10, 0.5, 1.0, 1.0], 7, id="SIMBA, a tie"),
        pytest.param(_better_together, [NAN, 0.5, 1.0], 0 if SORTS_AS_BEFORE else 2, id="BetterTogether, NaN first"),
        pytest.param(_better_together, [0.5, NAN, 0.25], 0, id="BetterTogether, NaN between"),
        pytest.param(_better_together, [0.5, 1.0, 1.0], 1, id="BetterTogether, a tie"),
        # Optuna takes a trial whose value is NaN for failed.
        pytest.param(_optuna, [NAN, 0.5, 0.25], 1, id="Optuna, NaN first"),
        pytest.param(_optuna, [0.5, INF, NAN], 1, id="Optuna, infinity"),
        pytest.param(_copro, [0.5, NAN, 1.0, 0.25], None, id="COPRO, NaN between"),
        pytest.param(_two_step_copro, [0.5, 0.25, 1.0, 0.25, 1.0], None, id="COPRO, a tie of two predictors"),
        pytest.param(_two_step_copro, [0.5, 1.0, 0.25, 0.25, 1.0], None, id="COPRO, a tie with an earlier text"),
    ],
)
def test_the_best_trial_is_the_one_whose_program_is_returned(
    optimize: Callable[[Any], Any], values: list[float], best: int | None
) -> None:
    """Its index, its score and its program are the compile's, and no later trial claims to be the best."""
    trials, compiled, _ = _recorded(lambda: optimize(Scripted(values)))
    index: int = compiled["compile.best_trial.index"]
    assert trials[index]["program.id"] == compiled["program.id"]
    assert repr(compiled["compile.best_score"]) == repr(trials[index]["trial.score"])
    assert [trial["trial.index"] for trial in trials if trial["trial.is_best"]][-1] == index
    assert best is None or index == best


def _recorded(optimize: Callable[[], Any]) -> tuple[list[dict[str, Any]], dict[str, Any], Any]:
    """The trials of the outermost compile and the compile itself, by attribute, and what it returned."""
    with recording(capture_programs=True) as recorder, dspy.context(lm=learning_lm()):
        returned = optimize()
    (compiled,) = (recorded for recorded in recorder.attributes_of("compile") if "compile.parent.id" not in recorded)
    trials = [
        recorded for recorded in recorder.attributes_of("trial") if recorded["compile.id"] == compiled["compile.id"]
    ]
    return trials, compiled, returned


def test_copro_sorts_its_candidates_again_with_each_score() -> None:
    """With NaN the winner can be one that another candidate was ahead of before."""
    trials, compiled, _ = _recorded(lambda: _copro(Scripted([NAN, 0.5, 1.0, 0.25])))
    assert [trial["trial.index"] for trial in trials if trial["trial.is_best"]] == ([0] if SORTS_AS_BEFORE else [0, 2])
    assert compiled["compile.best_trial.index"] == 0
    assert trials[0]["program.id"] == compiled["program.id"]
    assert math.isnan(compiled["compile.best_score"])


@pytest.mark.parametrize("values", [[NAN, 0.5, 0.25], [0.5, 0.75, NAN], [-INF, -1.0, NAN]])
def test_infer_rules_returns_its_last_candidate(values: list[float]) -> None:
    """Its candidates share their signatures, so that the program of each has the rules of the last one.

    Which one it prefers is recorded while it runs; at the end the best trial is the one whose program was returned.
    """
    trials, compiled, returned = _recorded(lambda: _infer_rules(Scripted(values)))
    assert returned.signature.instructions.endswith("rules when making your prediction:\nKnows 3.")
    assert trials[2]["trial.candidate"] == '{"self":{"rules":"Knows 3."}}'
    assert trials[2]["program.id"] == compiled["program.id"]
    assert compiled["compile.best_trial.index"] == 2
    assert repr(compiled["compile.best_score"]) == repr(trials[2]["trial.score"])


def test_infer_rules_without_a_score_that_leads_returns_nothing() -> None:
    """With NaN alone there is no program, and no best trial."""
    trials, compiled, returned = _recorded(lambda: _infer_rules(Scripted([NAN])))
    assert returned is None
    assert [trial["trial.is_best"] for trial in trials] == [False, False, False]
    assert {"compile.best_score", "compile.best_trial.index", "program.id"}.isdisjoint(compiled)


class Failing:
    """A metric that raises in the evaluations with these numbers, and gives -1.0 in all others."""

    def __init__(self, *failing: int) -> None:
        self._failing = failing
        self._values = Scripted(range(100))

    def __call__(self, gold: Any, pred: Any, trace: object = None) -> float:
        """The value, or an error."""
        if trace is None and self._values(gold, pred) in self._failing:
            raise ValueError("no verdict")
        return -1.0


def test_mipro_v2_counts_a_failed_evaluation_as_zero() -> None:
    """The default program, whose evaluation fails, is returned before one that scores less than 0."""

    def optimize() -> Any:
        optimizer = _optimizers.MIPROv2(
            Failing(0), auto=None, num_candidates=2, num_threads=1, max_bootstrapped_demos=0, max_labeled_demos=0,
            max_errors=SIZE,
        )  # fmt: skip
        return optimizer.compile(
            _student(), trainset=examples(2), valset=examples(SIZE), num_trials=1, minibatch=False
        )  # fmt: skip

    trials, compiled, returned = _recorded(optimize)
    assert [(trial["trial.score"], trial["trial.state"], trial["trial.is_best"]) for trial in trials] == [
        (0.0, "fail", True),
        (-100.0, "complete", False),
    ]
    assert (compiled["compile.best_score"], compiled["compile.best_trial.index"]) == (0.0, 0)
    assert returned.score == 0.0
    assert compiled["program.id"] == trials[0]["program.id"]


def _mipro_from_nan() -> Any:
    return _mipro(Scripted([NAN]))


def _gepa_from_nan() -> Any:
    """The seed scores NaN on a validation example; the first proposal is accepted."""

    def metric(gold: Any, pred: Any, *_: object) -> float:
        right = gold["answer"] == pred["answer"]
        return NAN if gold.get("validation") and not right else float(right)

    optimizer = _optimizers.GEPA(
        metric, max_metric_calls=12, reflection_lm=reflection_lm(["Knows 0 1."]), num_threads=1, seed=1,
        reflection_minibatch_size=2, use_merge=False,
    )  # fmt: skip
    valset: Any = [example.copy(validation=True) for example in questions("a0", "a1")]
    with dspy.context(lm=task_lm()):
        return optimizer.compile(Pair(), trainset=questions("a1", "a0"), valset=valset)


@pytest.mark.parametrize(("optimize", "error"), [(_mipro_from_nan, ValueError), (_gepa_from_nan, AssertionError)])
def test_a_nan_that_stops_the_optimizer(optimize: Callable[[], Any], error: type[Exception]) -> None:
    """MIPROv2, by Optuna, refuses one as the first score, gepa in its front: the compile failed and returned nothing."""
    with (
        recording(capture_programs=True) as recorder,
        dspy.context(lm=learning_lm()),
        pytest.raises(error),
    ):
        optimize()
    (compiled,) = (recorded for recorded in recorder.attributes_of("compile") if "compile.parent.id" not in recorded)
    assert compiled["error.type"] == error.__name__
    assert "program.id" not in compiled


class Stopping(Scripted):
    """One that stops the optimization with its third evaluation."""

    def __call__(self, gold: Any, pred: Any, trace: object = None) -> float:
        """The value, or an interruption."""
        value = super().__call__(gold, pred, trace)
        if value < 0:
            raise KeyboardInterrupt
        return value


@pytest.mark.parametrize("first", [NAN, INF])
def test_an_optimization_that_is_stopped_leaves_a_best_trial_with_a_score(first: float) -> None:
    """It returns nothing: the first trial, which the search would keep whatever follows, is not the best."""
    with (
        recording(capture_programs=True) as recorder,
        dspy.context(lm=learning_lm()),
        pytest.raises(KeyboardInterrupt),
    ):
        _random_search(Stopping([first, 0.5, -1.0]))
    (compiled,) = (recorded for recorded in recorder.attributes_of("compile") if "compile.parent.id" not in recorded)
    assert (compiled["compile.best_trial.index"], compiled["compile.best_score"]) == (1, 50.0)


def test_a_budget_that_stops_an_optimization_names_a_trial_with_a_score() -> None:
    """In the exception as well as in the span."""
    with (
        recording(capture_programs=True, budget=Budget(lm_calls=2 * SIZE, on_exceeded="stop")) as recorder,
        dspy.context(lm=learning_lm()),
        pytest.raises(BudgetExceeded) as raised,
    ):
        _random_search(Scripted([NAN, 0.5]))
    (compiled,) = (recorded for recorded in recorder.attributes_of("compile") if "compile.parent.id" not in recorded)
    assert (raised.value.best_trial, raised.value.best_score) == (1, 50.0)
    assert (compiled["compile.best_trial.index"], compiled["compile.best_score"]) == (1, 50.0)
