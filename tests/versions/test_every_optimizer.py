from __future__ import annotations

import inspect
import logging
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest

from otel_dspy.hooks.patching.capabilities import part
from tests.support.span_recorder import recording
from tests.support.stub_trainers import StubFinetuning, StubReinforcement
from tests.versions.scenario import Sums, exact, examples, feedback, model, numbers, served

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspy.clients.provider import Provider


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


def _better_together() -> Any:
    made: Any = part("dspy.teleprompt:BetterTogether")
    search: Any = dspy.BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=1, num_threads=1)
    by_role = "prompt_optimizer" in signature(made).parameters
    names = ("prompt_optimizer", "weight_optimizer") if by_role else ("p", "w")
    return made(metric=exact, **dict(zip(names, (search, _finetune()), strict=True)))


def _finetune() -> Any:
    made: Any = part("dspy.teleprompt:BootstrapFinetune")
    return made(metric=exact, num_threads=1)


def _grpo() -> Any:
    made: Any = part("dspy.teleprompt.grpo:GRPO")
    return made(
        metric=exact,
        exclude_demos=True,
        num_threads=1,
        num_train_steps=2,
        num_dspy_examples_per_grpo_step=2,
        num_rollouts_per_grpo_step=2,
        num_steps_for_val=1,
        train_kwargs={"update_interval": 1},
    )


_COMPILE: dict[str, dict[str, Any]] = {
    "COPRO": {"eval_kwargs": {"num_threads": 1, "display_progress": False}},
    "GEPA": {"valset": examples(2)},
    "BootstrapFewShotWithOptuna": {"valset": examples(2), "max_demos": 1},
    "InferRules": {"valset": examples(2)},
    "KNNFewShot": {},
    "SIMBA": {"seed": 0},
    "GRPO": {"valset": examples(2)},
    "BetterTogether": {"strategy": "p -> w"},
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
    recorded = [span for span in recorder.attributes_of("trial") if span["optimizer.name"] == name]
    assert len(recorded) >= trials
    assert bool(recorded) is bool(trials)
    assert all("trial.score" in one or one["trial.state"] != "complete" for one in recorded)
    assert recorder.named(f"compile {name}")


def test_gepa_alone_is_followed() -> None:
    """A run of gepa without DSPy's class: the seed's trial has its evaluation, and each trial is a proposal."""
    optimize: Any = part("gepa:optimize")
    if optimize is None or "callbacks" not in inspect.signature(optimize).parameters:
        pytest.skip("this gepa has no callbacks")

    def answer(messages: Any) -> str:
        return str(messages[1]["content"]) if "good" in messages[0]["content"] else ""

    def reflect(_prompt: Any) -> str:
        return "```\ngood\n```"

    context: dict[str, str] = {}
    data = [{"input": name, "answer": name, "additional_context": context} for name in ("a", "b")]
    with recording() as recorder:
        result = optimize(
            seed_candidate={"system": "bad"}, trainset=data, valset=data, task_lm=answer, reflection_lm=reflect,
            max_metric_calls=6,
        )  # fmt: skip
    assert recorder.control("compile", "trial.label", "trial.derived", "evaluate.role")[4:7] == [
        "  trial gepa trial.label=seed",
        "    phase validate",
        "      evaluate ContainsAnswerEvaluator evaluate.role=validation",
    ]
    scores = [one["trial.score"] for one in recorder.attributes_of("trial") if "trial.parameter.candidate" in one]
    assert scores == result.val_aggregate_scores == [0.0, 1.0]


@pytest.mark.parametrize(
    ("make", "name", "provider", "steps"),
    [
        (_finetune, "BootstrapFinetune", StubFinetuning, 1),
        (_grpo, "GRPO", StubReinforcement, 3),
        (_better_together, "BetterTogether", StubFinetuning, 0),
    ],
)
def test_training_is_followed(make: Callable[[], Any], name: str, provider: Callable[[], Provider], steps: int) -> None:
    """Jobs and train steps are trials, in the compile of the optimizer that asked for them, and no hook fails over it."""
    with served() as (server, _), recording() as recorder:
        lm = model(server, provider=provider())
        program = Sums()
        program.set_lm(lm)
        with dspy.context(lm=lm, experimental=True):
            make().compile(program, trainset=examples(4), **_COMPILE.get(name, {}))
    assert recorder.named(f"compile {name}")
    recorded = [span for span in recorder.attributes_of("trial") if span["optimizer.name"] == name]
    assert len(recorded) >= steps
    assert all(one["trial.state"] == "complete" for one in recorded)
    if name == "BetterTogether":
        assert {"compile BootstrapFewShotWithRandomSearch", "compile BootstrapFinetune"} <= {
            span.name for span in recorder.spans
        }


def test_what_a_version_lacks_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever seams are missing, instrumenting logs it once; with all of them present it logs nothing."""
    with caplog.at_level(logging.INFO, "otel_dspy"), recording():
        pass
    lines = [record for record in caplog.records if record.name.startswith("otel_dspy")]
    assert [record.levelname for record in lines] == ["INFO"] * (part("dspy.clients.execution") is None)
