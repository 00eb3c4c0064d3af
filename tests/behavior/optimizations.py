"""What a user does with optimizers: each of DSPy's that runs offline, and one of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dspy
import numpy as np

from tests.behavior.model import model
from tests.support.addition_task import exact, examples
from tests.support.optimizers import Breaking, Rounds
from tests.support.two_step_programs import Thinking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.behavior.observation import Scenario, Stage

_optimizers: Final[Any] = dspy.teleprompt  # its annotations refuse part of what it takes
_DEMOS: Final = {"max_bootstrapped_demos": 1, "max_labeled_demos": 1}


def _student() -> dspy.Module:
    return dspy.Predict("question -> answer")


def _asked(program: Any) -> Any:
    """An optimized program, and what it answers."""
    return [program, program(question="7+1")]


def _mipro(_: Stage, *, minibatch: bool) -> Any:
    optimizer = _optimizers.MIPROv2(exact, auto=None, num_candidates=2, num_threads=1, **_DEMOS)
    program = optimizer.compile(
        Thinking(),
        trainset=examples(4),
        valset=examples(6),
        num_trials=3,
        minibatch=minibatch,
        minibatch_size=2,
        minibatch_full_eval_steps=2,
    )
    return _asked(program)


def _random_search(_: Stage) -> Any:
    optimizer = _optimizers.BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=2, num_threads=1, **_DEMOS)
    return _asked(optimizer.compile(_student(), trainset=examples(6)))


def _bootstrap(_: Stage) -> Any:
    return _asked(_optimizers.BootstrapFewShot(exact, **_DEMOS).compile(Thinking(), trainset=examples(6)))


def _labeled(_: Stage) -> Any:
    return _asked(_optimizers.LabeledFewShot(k=2).compile(_student(), trainset=examples(6)))


def _optuna(_: Stage) -> Any:
    optimizer = _optimizers.BootstrapFewShotWithOptuna(exact, num_candidate_programs=1, num_threads=1, **_DEMOS)
    # With one demonstration to choose from: its sampler takes no seed.
    return _asked(optimizer.compile(_student(), trainset=examples(2), max_demos=1))


def _copro(_: Stage) -> Any:
    optimizer = _optimizers.COPRO(metric=exact, breadth=2, depth=2, track_stats=True)
    evaluation = {"num_threads": 1, "display_progress": True, "display_table": 0}
    return _asked(optimizer.compile(_student(), trainset=examples(4), eval_kwargs=evaluation))


def _gepa(_: Stage) -> Any:
    def metric(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
        del trace, pred_name, pred_trace
        return dspy.Prediction(score=float(exact(gold, pred)), feedback="look again")

    optimizer = _optimizers.GEPA(
        metric, max_metric_calls=20, reflection_lm=model(), num_threads=1, track_stats=True, seed=1
    )
    return _asked(optimizer.compile(_student(), trainset=examples(3), valset=examples(4)))


def _simba(_: Stage) -> Any:
    optimizer = _optimizers.SIMBA(metric=exact, bsize=4, num_candidates=2, max_steps=2, max_demos=1, num_threads=1)
    return _asked(optimizer.compile(_student(), trainset=examples(6), seed=3))


def _knn(_: Stage) -> Any:
    def vectors(texts: list[str]) -> Any:
        return np.array([[float(len(text)), float(ord(text[-1]))] for text in texts], dtype=np.float32)

    optimizer = _optimizers.KNNFewShot(
        k=2, trainset=examples(6), vectorizer=dspy.Embedder(vectors), metric=exact, **_DEMOS
    )
    return optimizer.compile(_student())(question="4+1")


def _better_together(_: Stage) -> Any:
    inner = _optimizers.BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=1, num_threads=1, **_DEMOS)
    student = _student()
    student.set_lm(model())
    program: Any = _optimizers.BetterTogether(exact, p=inner).compile(
        student, trainset=examples(6), valset=examples(4), strategy="p", num_threads=1, seed=2
    )
    for candidate in [program, *(found["program"] for found in program.candidate_programs)]:
        candidate.set_lm(None)  # the state of a program with a custom engine cannot be dumped
    return _asked(program)


def _infer_rules(_: Stage) -> Any:
    optimizer = _optimizers.InferRules(num_candidates=2, num_rules=1, num_threads=1, metric=exact, **_DEMOS)
    return _asked(optimizer.compile(_student(), trainset=examples(6)))


def _ensemble(_: Stage) -> Any:
    # It draws its programs from the random module's global generator.
    programs = [dspy.Predict(f"question -> answer, number_{number}") for number in range(6)]
    chosen: Any = _optimizers.Ensemble(reduce_fn=list, size=2).compile(programs)
    return [[prediction.keys() for prediction in chosen(question="1+1")] for _ in range(3)]


def _own(_: Stage) -> Any:
    return Rounds(exact).compile(_student(), trainset=examples(4))


def _own_breaking(_: Stage) -> Any:
    error = ArithmeticError("no", {"further": 1})
    error.add_note("the user's own note")
    return Breaking(error).compile(_student(), trainset=examples(2))


def _interrupted(_: Stage) -> Any:
    return Breaking(KeyboardInterrupt()).compile(_student(), trainset=examples(2))


OPTIMIZATIONS: Final[Mapping[str, Scenario]] = {
    "MIPROv2 with minibatches": lambda stage: _mipro(stage, minibatch=True),
    "MIPROv2 without": lambda stage: _mipro(stage, minibatch=False),
    "BootstrapFewShotWithRandomSearch": _random_search,
    "BootstrapFewShot": _bootstrap,
    "LabeledFewShot": _labeled,
    "BootstrapFewShotWithOptuna": _optuna,
    "COPRO": _copro,
    "GEPA": _gepa,
    "SIMBA": _simba,
    "KNNFewShot": _knn,
    "BetterTogether": _better_together,
    "InferRules": _infer_rules,
    "Ensemble": _ensemble,
    "an optimizer of the user's own": _own,
    "an optimizer that fails": _own_breaking,
    "an optimizer that is interrupted": _interrupted,
}
"""Name -> what is done."""
