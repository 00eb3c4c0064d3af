"""Scope and unit of every evaluation that an optimizer makes: full or minibatch, percent or ratio, never mixed up."""

from __future__ import annotations

import json
from statistics import fmean
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from dspy.teleprompt import Teleprompter

from tests.behavior.model import model
from tests.behavior.observation import Stage
from tests.behavior.optimizations import OPTIMIZATIONS
from tests.support.addition_task import exact, examples
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED: dict[str, list[tuple[object, ...]]] = {
    "MIPROv2 with minibatches": [
        ("MIPROv2", None, "full", "full", "percent", 6),
        ("MIPROv2", None, "minibatch", "minibatch", "percent", 2),
    ],
    "MIPROv2 without": [
        ("MIPROv2", None, "full", "full", "percent", 6),
    ],
    "BootstrapFewShotWithRandomSearch": [
        ("BootstrapFewShot", "bootstrap", "minibatch", None, None, 2),
        ("BootstrapFewShot", "bootstrap", "minibatch", None, None, 3),
        ("BootstrapFewShotWithRandomSearch", None, "full", "full", "percent", 6),
    ],
    "BootstrapFewShot": [
        ("BootstrapFewShot", "bootstrap", "minibatch", None, None, 2),
    ],
    "BootstrapFewShotWithOptuna": [
        ("BootstrapFewShot", "bootstrap", "minibatch", None, None, 2),
        ("BootstrapFewShotWithOptuna", None, "full", "full", "percent", 2),
    ],
    "COPRO": [
        ("COPRO", None, "full", "full", "percent", 4),
    ],
    "GEPA": [
        ("GEPA", "candidate", "minibatch", "minibatch", "ratio", 3),
        ("GEPA", "parent", "minibatch", "minibatch", "ratio", 3),
        ("GEPA", "validation", "full", "full", "ratio", 4),
    ],
    "SIMBA": [
        ("SIMBA", "sample", "minibatch", None, None, 8),
        ("SIMBA", None, "full", "full", "ratio", 6),
        ("SIMBA", None, "minibatch", "minibatch", "ratio", 4),
    ],
    "BetterTogether": [
        ("BetterTogether", None, "full", "full", "percent", 4),
        ("BootstrapFewShot", "bootstrap", "minibatch", None, None, 1),
        ("BootstrapFewShot", "bootstrap", "minibatch", None, None, 2),
        ("BootstrapFewShotWithRandomSearch", None, "full", "full", "percent", 4),
    ],
    "InferRules": [
        ("InferRules", "bootstrap", "minibatch", None, None, 2),
        ("InferRules", None, "full", "full", "percent", 3),
    ],
    "an optimizer of the user's own": [
        ("Rounds", None, "full", "full", "percent", 4),
    ],
}
"""Optimizer -> (optimizer that evaluates, phase or role, scope of the evaluation and of its trial, unit, examples)."""
FACTORS = {"percent": 100.0, "ratio": 1.0}


@pytest.mark.parametrize("name", EXPECTED)
def test_scope_and_unit_of_each_evaluation(name: str, tmp_path: Path) -> None:
    """An evaluation has the scope of its trial, and the trial's score is the mean of its rows in the trial's unit."""
    lm = model()
    with recording() as recorder, dspy.context(lm=lm):
        OPTIMIZATIONS[name](Stage(lm, tmp_path))
    trials = {(trial["compile.id"], trial["trial.index"]): trial for trial in recorder.attributes_of("trial")}
    optimizers = {recorded["compile.id"]: recorded["optimizer.name"] for recorded in recorder.attributes_of("compile")}
    found: dict[tuple[object, ...], None] = {}
    for evaluation in recorder.attributes_of("evaluate"):
        trial: dict[str, Any] = trials.get((evaluation["compile.id"], evaluation.get("trial.index", -1)), {})
        work = evaluation.get("evaluate.role", evaluation.get("phase.name"))
        found[
            (
                optimizers[evaluation["compile.id"]],
                work,
                evaluation["evaluate.scope"],
                trial.get("trial.scope"),
                trial.get("trial.score.unit"),
                evaluation["evaluate.num_examples"],
            )
        ] = None
        rows = [row["score"] for row in json.loads(evaluation["evaluate.results"])]
        assert len(rows) == evaluation["evaluate.num_examples"]
        if "evaluate.score" in evaluation:
            assert evaluation["evaluate.score"] == round(100 * fmean(rows), 2)
        if "trial.score" in trial and work in {None, "validation"}:
            assert trial["trial.score"] == pytest.approx(FACTORS[trial["trial.score.unit"]] * fmean(rows), abs=0.005)
    assert sorted(found, key=repr) == EXPECTED[name]


@pytest.mark.parametrize(
    ("metadata", "scope"),
    [
        (None, "full"),
        ({"metric_key": "eval_full"}, "full"),
        ({"metric_key": "eval_minibatch"}, "minibatch"),
        # Before gepa had callbacks, GEPA's minibatches were known by this alone.
        ({"disable_logging": True}, "minibatch"),
    ],
)
def test_the_scope_that_an_optimizer_gives_an_evaluation(metadata: dict[str, Any] | None, scope: str) -> None:
    """DSPy's optimizers say it in `callback_metadata`; evaluation and trial have it, and minibatches do not compete."""

    class OneEvaluation(Teleprompter):
        def compile(self, student: Any, *, trainset: list[Any], **_kwargs: Any) -> Any:
            evaluate: Any = dspy.Evaluate(devset=trainset, metric=exact, num_threads=1)
            evaluate(student, callback_metadata=metadata)
            return student

    with recording() as recorder, dspy.context(lm=model()):
        OneEvaluation().compile(dspy.Predict("question -> answer"), trainset=examples(2))
    ((evaluation,), (trial,), (compiled,)) = (recorder.attributes_of(name) for name in ("evaluate", "trial", "compile"))
    assert (evaluation["evaluate.scope"], trial["trial.scope"]) == (scope, scope)
    assert compiled.get("compile.best_score") == (50.0 if scope == "full" else None)
