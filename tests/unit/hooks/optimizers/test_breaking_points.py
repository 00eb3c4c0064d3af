"""An error or Ctrl-C at any call of any phase: what DSPy does without us it does with us, and the record says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import optuna
import pytest
from dspy.teleprompt import (
    BetterTogether,
    BootstrapFewShotWithOptuna,
    BootstrapFewShotWithRandomSearch,
    InferRules,
    LabeledFewShot,
)
from inline_snapshot import snapshot

from tests.breaking_point import BreakingPoint
from tests.learning_lm import learning_lm
from tests.optimizer_runs import tracked_tree
from tests.span_recorder import recording
from tests.sums import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.mlflow_tree import RunNode

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


OPTIMISATIONS: Final[Mapping[str, Callable[[BreakingPoint], Any]]] = {
    "SIMBA": _simba,
    "COPRO": _copro,
    "BootstrapFewShot": _bootstrap,
    "InferRules": _infer_rules,
    "BootstrapFewShotWithOptuna": _optuna,
    "BootstrapFewShotWithRandomSearch": _random_search,
    "MIPROv2": _mipro,
    "BetterTogether": _better_together,
}


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna's sampler draws the same numbers each time: the optimizer has no seed for it."""
    create: Any = optuna.create_study

    def with_seed(**kwargs: Any) -> optuna.Study:
        # MIPROv2 has a seed, and gives its own.
        return create(**{"sampler": optuna.samplers.RandomSampler(seed=1), **kwargs})

    monkeypatch.setattr(optuna, "create_study", with_seed)


def _outcome(optimise: Callable[[BreakingPoint], Any], point: BreakingPoint) -> tuple[Any, ...]:
    """What the user sees: the program's state and scores, or the error itself; and how many calls were made."""
    try:
        with dspy.context(lm=learning_lm(fickle=True, before=point.pass_by)):
            best = optimise(point)
    except BaseException as error:  # noqa: BLE001 - whichever it is, it is compared
        return type(error), str(error), error is point.error, point.calls
    scores = [candidate["score"] for candidate in getattr(best, "candidate_programs", ())]
    return best.dump_state(), scores, point.calls


def _calls(optimise: Callable[[BreakingPoint], Any]) -> int:
    point = BreakingPoint()
    _outcome(optimise, point)
    return point.calls


@pytest.mark.parametrize("kind", [ArithmeticError, KeyboardInterrupt])
@pytest.mark.parametrize("name", OPTIMISATIONS)
def test_whichever_call_breaks(name: str, kind: type[BaseException]) -> None:
    """For every call of the model and of the metric: result, error and number of calls are the same with us.

    What was open when it broke has ended and names the error where that came through to the user; the contract holds.
    """
    optimise = OPTIMISATIONS[name]
    total = _calls(optimise)
    assert total > 5
    raised = 0
    for at in range(total):
        without = _outcome(optimise, BreakingPoint(at, kind("broken here")))
        with recording() as recorder:
            within = _outcome(optimise, BreakingPoint(at, kind("broken here")))
        assert within == without, at
        (compiled, *_) = recorder.told(f"compile {name}")
        came_through = isinstance(without[0], type)
        raised += came_through
        assert compiled.get("error.type") == (_told_as(without[0]) if came_through else None), at
        failed = [trial for trial in recorder.told(f"trial {name}") if trial["trial.state"] == "fail"]
        assert all("error.type" in trial and "trial.score" not in trial for trial in failed), at
    assert raised == total if kind is KeyboardInterrupt else raised < total


def _told_as(kind: type[BaseException]) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def test_an_error_that_the_compile_raises_is_told_in_each_phase() -> None:
    """A model that is gone: each optimizer's own phase or trial carries the error, and those around it do."""

    class Gone(BaseException):
        """Nothing that DSPy would swallow."""

    told: dict[str, set[str]] = {}
    for name, optimise in OPTIMISATIONS.items():
        found = told.setdefault(name, set())
        for at in range(_calls(optimise)):
            with recording() as recorder:
                _outcome(optimise, BreakingPoint(at, Gone("gone")))
            found |= {
                span.name
                for span in recorder.spans
                if span.name.split()[0] in {"phase", "trial"} and not span.status.is_ok
            }
    assert {name: sorted(found) for name, found in told.items()} == snapshot(
        {
            "SIMBA": ["phase sample", "phase step", "phase validate", "trial SIMBA"],
            "COPRO": ["trial COPRO"],
            "BootstrapFewShot": ["phase bootstrap"],
            "InferRules": ["phase bootstrap", "phase induce", "trial InferRules"],
            "BootstrapFewShotWithOptuna": ["phase bootstrap", "trial BootstrapFewShotWithOptuna"],
            "BootstrapFewShotWithRandomSearch": ["phase bootstrap", "trial BootstrapFewShotWithRandomSearch"],
            "MIPROv2": ["phase bootstrap", "phase propose", "phase search", "trial MIPROv2"],
            "BetterTogether": ["phase bootstrap", "trial BetterTogether", "trial BootstrapFewShotWithRandomSearch"],
        }
    )


def _drawn(run: RunNode) -> list[tuple[str, str]]:
    return [(node.name, node.status) for node in run.walk()]


@pytest.mark.parametrize(("at", "phase"), [(1, "sample"), (8, "build"), (10, "score"), (22, "validate")])
def test_simba_interrupted_in_mlflow(tmp_path: Path, at: int, phase: str) -> None:
    """Ctrl-C while it samples, builds, scores or validates: the compile and what was open is KILLED."""
    _, tree = tracked_tree(tmp_path, lambda: _outcome(_simba, BreakingPoint(at, KeyboardInterrupt())))
    (run,) = tree.runs
    assert (
        _drawn(run)
        == {
            "sample": snapshot([("SIMBA Predict", "KILLED")]),
            "build": snapshot([("SIMBA Predict", "KILLED"), ("trial 0 (step 0, candidate 0)", "KILLED")]),
            "score": snapshot(
                [
                    ("SIMBA Predict", "KILLED"),
                    ("trial 0 (step 0, candidate 0)", "KILLED"),
                    ("trial 1 (step 0, candidate 1)", "KILLED"),
                ]
            ),
            "validate": snapshot(
                [
                    ("SIMBA Predict", "KILLED"),
                    ("trial 0 (step 0, candidate 0)", "FINISHED"),
                    ("trial 1 (step 0, candidate 1)", "FINISHED"),
                    ("trial 2 (validation 0)", "KILLED"),
                    ("trial 3 (validation 1)", "KILLED"),
                ]
            ),
        }[phase]
    )


@pytest.mark.parametrize("name", ["COPRO", "BootstrapFewShot", "InferRules", "BootstrapFewShotWithOptuna"])
def test_interrupted_in_mlflow(tmp_path: Path, name: str) -> None:
    """Ctrl-C at the last call: the compile and the trial that was open are KILLED, what was over before is not."""
    optimise = OPTIMISATIONS[name]
    last = _calls(optimise) - 1
    _, tree = tracked_tree(tmp_path, lambda: _outcome(optimise, BreakingPoint(last, KeyboardInterrupt())))
    (run,) = tree.runs
    assert (
        _drawn(run)
        == {
            "COPRO": snapshot(
                [
                    ("COPRO Predict", "KILLED"),
                    ("trial 0 (depth 0, self, candidate 0)", "FINISHED"),
                    ("trial 1 (depth 0, self, candidate 1)", "FINISHED"),
                    ("trial 2 (depth 1, self, candidate 0)", "FINISHED"),
                    ("trial 3 (depth 1, self, candidate 1)", "KILLED"),
                ]
            ),
            "BootstrapFewShot": snapshot([("BootstrapFewShot Predict", "KILLED")]),
            "InferRules": snapshot(
                [
                    ("InferRules Predict", "KILLED"),
                    ("LabeledFewShot Predict", "FINISHED"),
                    ("trial 0 (candidate 0)", "FINISHED"),
                    ("trial 1 (candidate 1)", "KILLED"),
                ]
            ),
            "BootstrapFewShotWithOptuna": snapshot(
                [
                    ("BootstrapFewShotWithOptuna Predict", "KILLED"),
                    ("BootstrapFewShot Predict", "FINISHED"),
                    ("LabeledFewShot Predict", "FINISHED"),
                    ("trial 0 (trial 0)", "FINISHED"),
                    ("trial 1 (trial 1)", "KILLED"),
                ]
            ),
        }[name]
    )
