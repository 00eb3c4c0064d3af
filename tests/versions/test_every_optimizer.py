from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest

from otel_dspy.hooks.installed import part
from tests.span_recorder import recording
from tests.versions.scenario import Sums, exact, examples, feedback, numbers, served

if TYPE_CHECKING:
    from collections.abc import Callable


def _bootstrap() -> Any:
    return dspy.BootstrapFewShot(metric=exact, max_bootstrapped_demos=1, max_labeled_demos=1)


def _copro() -> Any:
    return dspy.COPRO(metric=exact, breadth=2, depth=1)


def _gepa() -> Any:
    lm = cast("Any", dspy.settings).lm
    made: Any = part("dspy:GEPA")
    return made(metric=feedback, max_metric_calls=12, reflection_lm=lm, reflection_minibatch_size=2, num_threads=1)


def _infer_rules() -> Any:
    return dspy.InferRules(metric=exact, num_candidates=1, num_rules=1, num_threads=1)


def _knn() -> Any:
    return cast("Any", dspy.KNNFewShot)(k=1, trainset=examples(4), vectorizer=dspy.Embedder(numbers), metric=exact)


def _optuna() -> Any:
    made: Any = part("dspy.teleprompt:BootstrapFewShotWithOptuna")
    return made(metric=exact, max_bootstrapped_demos=1, num_candidate_programs=1, num_threads=1)


def _simba() -> Any:
    return dspy.SIMBA(metric=exact, bsize=2, num_candidates=2, max_steps=1, max_demos=1, num_threads=1)


_COMPILE: dict[str, dict[str, Any]] = {
    "COPRO": {"eval_kwargs": {"num_threads": 1, "display_progress": False}},
    "GEPA": {"valset": examples(2)},
    "BootstrapFewShotWithOptuna": {"valset": examples(2), "max_demos": 1},
    "InferRules": {"valset": examples(2)},
    "KNNFewShot": {},
    "SIMBA": {"seed": 0},
}


@pytest.mark.parametrize(
    ("make", "name", "trials"),
    [
        (_bootstrap, "BootstrapFewShot", 0),
        (_copro, "COPRO", 2),
        (_gepa, "GEPA", 2),
        (_infer_rules, "InferRules", 1),
        (_knn, "KNNFewShot", 0),
        (_optuna, "BootstrapFewShotWithOptuna", 1),
        (_simba, "SIMBA", 2),
    ],
)
def test_every_optimizer_is_followed(make: Callable[[], Any], name: str, trials: int) -> None:
    """Each optimizer that the version has compiles; its trials have scores, and no hook fails over it."""
    if part(f"dspy.teleprompt:{name}") is None:
        pytest.skip(f"this DSPy has no {name}")
    with served() as (_, lm), dspy.context(lm=lm), recording() as recorder:
        given = {} if name == "KNNFewShot" else {"trainset": examples(4)}
        make().compile(Sums(), **given, **_COMPILE.get(name, {}))
    told = [span for span in recorder.told("trial") if span["optimizer.name"] == name]
    assert len(told) >= trials
    assert bool(told) is bool(trials)
    assert all("trial.score" in one or one["trial.state"] != "complete" for one in told)
    assert recorder.named(f"compile {name}")


def test_what_a_version_lacks_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever seams are missing, instrumenting says so once; with all of them there it says nothing."""
    with caplog.at_level(logging.INFO, "otel_dspy"), recording():
        pass
    lines = [record for record in caplog.records if record.name.startswith("otel_dspy")]
    assert [record.levelname for record in lines] == ["INFO"] * (part("dspy.clients.execution") is None)
