"""Whatever a metric returns: DSPy makes of it what it makes without us, and a score in the record is a number or none."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import dspy
import numpy as np
import pytest
from inline_snapshot import Is, snapshot

from tests.behavior.model import model
from tests.support.addition_task import addition_lm, examples
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording
from tests.support.with_and_without import outcome, same_with_and_without

if TYPE_CHECKING:
    from collections.abc import Mapping


class Unwilling:
    """Can be added up and is no number."""

    def __float__(self) -> float:
        """Raise."""
        raise LookupError("no number")

    def __radd__(self, other: float) -> float:
        """One more."""
        return other + 1

    def __repr__(self) -> str:
        """The same each time."""
        return "Unwilling()"


class Hidden:
    """Raises when its score is looked at."""

    @property
    def score(self) -> float:
        """Raise."""
        raise LookupError("not yours")

    def __radd__(self, other: float) -> float:
        """Nothing more."""
        return other

    def __repr__(self) -> str:
        """The same each time."""
        return "Hidden()"


VALUES: Final[Mapping[str, Any]] = {
    "None": None,
    "bool": True,
    "numpy float": np.float64(0.5),
    "short numpy float": np.float32(0.25),
    "numpy bool": np.bool_(True),  # noqa: FBT003 - a value
    "numpy int": np.int64(3),
    "array of one": np.array([0.5]),
    "array": np.array([0.5, 1.0]),
    "NaN": float("nan"),
    "infinity": float("inf"),
    "huge int": 10**400,
    "int that has no text": 2**20_000,
    "negative": -1,
    "decimal": Decimal("0.5"),
    "fraction": Fraction(1, 2),
    "complex": 1j,
    "prediction": dspy.Prediction(score=0.5, feedback="half"),
    "prediction of text": dspy.Prediction(score="0.5"),
    "prediction of None": dspy.Prediction(score=None),
    "prediction without score": dspy.Prediction(points=1),
    "prediction of an object": dspy.Prediction(score=Unwilling()),
    "text": "0.5",
    "tuple": (0.5, "why"),
    "object": Unwilling(),
    "object that hides": Hidden(),
}

FRACTION: Final = "(None, None, 0.5, 'TypeError')" if sys.version_info < (3, 12) else "(50.0, 50.0, 0.5, None)"
"""DSPy formats the mean as a decimal; before Python 3.12 a `Fraction` has no such format."""


def test_evaluate_and_its_trial() -> None:
    """For each value: the score of the evaluation and of the derived trial, and that of the first row."""
    recorded: dict[str, tuple[Any, ...]] = {}
    for name, value in VALUES.items():

        def metric(example: Any, prediction: Any, trace: object = None, value: Any = value) -> Any:
            del example, prediction, trace
            return value

        def run(metric: Any = metric) -> Any:
            with dspy.context(lm=addition_lm()):
                return Rounds(metric, rounds=1).compile(dspy.Predict("question -> answer"), trainset=examples(2))

        recorder = same_with_and_without(run, capture_content=True)
        ((evaluate,), (trial,)) = recorder.attributes_of("evaluate"), recorder.attributes_of("trial")
        row = json.loads(evaluate["evaluate.results"])[0]
        recorded[name] = (
            evaluate.get("evaluate.score"),
            trial.get("trial.score"),
            row.get("score"),
            trial.get("error.type"),
        )
    assert {name: repr(values) for name, values in recorded.items()} == snapshot(
        {
            "None": "(None, None, None, 'TypeError')",
            "bool": "(100.0, 100.0, 1.0, None)",
            "numpy float": "(50.0, 50.0, 0.5, None)",
            "short numpy float": "(25.0, 25.0, 0.25, None)",
            "numpy bool": "(100.0, 100.0, 1.0, None)",
            "numpy int": "(300.0, 300.0, 3.0, None)",
            "array of one": "(None, None, None, 'TypeError')",
            "array": "(None, None, None, 'TypeError')",
            "NaN": "(nan, nan, None, None)",
            "infinity": "(inf, inf, None, None)",
            "huge int": "(None, None, None, 'OverflowError')",
            "int that has no text": "(None, None, None, 'OverflowError')",
            "negative": "(-100.0, -100.0, -1.0, None)",
            "decimal": "(50.0, 50.0, 0.5, None)",
            "fraction": Is(FRACTION),
            "complex": "(None, None, None, 'TypeError')",
            "prediction": "(50.0, 50.0, 0.5, None)",
            "prediction of text": "(50.0, 50.0, 0.5, None)",
            "prediction of None": "(None, None, None, 'TypeError')",
            "prediction without score": "(None, None, None, 'ValueError')",
            "prediction of an object": "(None, None, None, 'LookupError')",
            "text": "(None, None, 0.5, 'TypeError')",
            "tuple": "(None, None, None, 'TypeError')",
            "object": "(100.0, 100.0, None, None)",
            "object that hides": "(0.0, 0.0, None, None)",
        }
    )


_ALIKE: Final = {
    "short numpy float", "numpy bool", "numpy int", "array of one", "infinity", "int that has no text",
    "prediction of text", "prediction without score", "tuple",
}  # fmt: skip
"""Values of which another one is of the same kind; `test_evaluate_and_its_trial` records each of them."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in _ALIKE else []) for name in VALUES]
)
def test_optimizers_that_make_means_themselves(name: str) -> None:
    """SIMBA, GEPA and MIPROv2 end as without instrumentation; their scores are recorded as plain numbers."""
    value = VALUES[name]

    def metric(example: Any, prediction: Any, trace: object = None) -> Any:
        del example, prediction, trace
        return value

    def graded(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
        del gold, pred, trace, pred_name, pred_trace
        return value

    demos: dict[str, Any] = {"max_bootstrapped_demos": 1, "max_labeled_demos": 1}
    search: dict[str, Any] = {"valset": examples(2), "num_trials": 1, "minibatch": False}
    proposing = {"program_aware_proposer": False, "data_aware_proposer": False}

    def run() -> Any:
        with dspy.context(lm=model()):
            simba: Any = dspy.SIMBA(metric=metric, bsize=2, num_candidates=2, max_steps=1, max_demos=1, num_threads=1)
            gepa: Any = dspy.GEPA(graded, max_metric_calls=12, reflection_lm=model(), num_threads=1, seed=1)
            mipro: Any = dspy.MIPROv2(metric, auto=None, num_candidates=2, num_threads=1, seed=2, **demos)
            return [
                outcome(lambda: _state(simba, seed=1)),
                outcome(lambda: _state(gepa)),
                outcome(lambda: _state(mipro, **search, **proposing)),
            ]

    recorder = same_with_and_without(run, capture_content=True)
    scores = [trial["trial.score"] for trial in recorder.attributes_of("trial") if "trial.score" in trial]
    assert {type(score) for score in scores} <= {float}


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (True, 1.0),
        (0.5, 0.5),
        (dspy.Prediction(score=0.5, feedback="half"), 0.5),
        # SIMBA takes these for 0.
        (np.float32(0.5), 0.0),
        (np.bool_(True), 0.0),  # noqa: FBT003 - a value
        (Decimal("0.5"), 0.0),
    ],
    ids=["bool", "float", "prediction", "numpy float", "numpy bool", "decimal"],
)
def test_what_simba_scores_with(value: Any, score: float) -> None:
    """Examples, trials and the compile have the scores that SIMBA itself used, which its own lists say."""

    def metric(example: Any, prediction: Any, trace: object = None) -> Any:
        del example, prediction, trace
        return value

    simba: Any = dspy.SIMBA(metric=metric, bsize=2, num_candidates=2, max_steps=1, max_demos=1, num_threads=1)
    with recording() as recorder, dspy.context(lm=model()):
        best = simba.compile(dspy.Predict("question -> answer"), trainset=examples(2), seed=1)
    rows = [
        row["score"]
        for recorded in recorder.attributes_of("evaluate")
        for row in json.loads(recorded["evaluate.results"])
    ]
    assert set(rows) == {score}
    assert {recorded["example.score"] for recorded in recorder.attributes_of("example")} == {score}
    assert {recorded["trial.score"] for recorded in recorder.attributes_of("trial")} == {score}
    (compiled,) = recorder.attributes_of("compile")
    assert compiled["compile.best_score"] == score == best.candidate_programs[0]["score"]


@pytest.mark.parametrize(
    ("value", "score", "accepted"),
    [
        (True, 1.0, True),
        (False, 0.0, False),
        (np.float64(0.0), 0.0, False),
        (np.bool_(True), 1.0, True),  # noqa: FBT003 - a value
        (Decimal(0), 0.0, False),
        (Decimal("0.5"), 0.5, True),
        (dspy.Prediction(score=0.5), 0.5, True),
        # A Prediction is true whatever its score is, and its demo is kept.
        (dspy.Prediction(score=0.0), 0.0, True),
        (dspy.Prediction(score=np.float64(0.0)), 0.0, True),
    ],
    ids=repr,
)
def test_what_a_bootstrap_accepts(value: Any, score: float, accepted: bool) -> None:  # noqa: FBT001 - a case
    """Each attempt has the metric's score, and whether BootstrapFewShot kept its demo, which is another question."""

    def metric(example: Any, prediction: Any, trace: object = None) -> Any:
        del example, prediction, trace
        return value

    bootstrap: Any = dspy.BootstrapFewShot(metric, max_bootstrapped_demos=2, max_labeled_demos=0)
    with recording() as recorder, dspy.context(lm=model()):
        best = bootstrap.compile(dspy.Predict("question -> answer"), trainset=examples(2))
    ((recorded,),) = (recorder.attributes_of("evaluate"),)
    found = [(row["score"], row["accepted"]) for row in json.loads(recorded["evaluate.results"])]
    assert found == [(score, accepted)] * 2
    assert len(best.demos) == (2 if accepted else 0)


@pytest.mark.parametrize(("threshold", "accepted"), [(0.0, True), (0.001, False)])
def test_a_threshold_of_0_is_none(threshold: float, accepted: bool) -> None:  # noqa: FBT001 - a case
    """BootstrapFewShot takes it for none, and then keeps demos of negative scores; the record has what it kept."""

    def metric(example: Any, prediction: Any, trace: object = None) -> float:
        del example, prediction, trace
        return -1.0

    bootstrap: Any = dspy.BootstrapFewShot(
        metric, metric_threshold=threshold, max_bootstrapped_demos=2, max_labeled_demos=0
    )
    with recording() as recorder, dspy.context(lm=model()):
        best = bootstrap.compile(dspy.Predict("question -> answer"), trainset=examples(2))
    (recorded,) = recorder.attributes_of("evaluate")
    found = [(row["score"], row["accepted"]) for row in json.loads(recorded["evaluate.results"])]
    assert found == [(-1.0, accepted)] * 2
    assert len(best.demos) == (2 if accepted else 0)


def _state(optimizer: Any, **arguments: Any) -> Any:
    return optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(3), **arguments).dump_state()
