"""Optimizations run again from their own record: the same scores, trial by trial, without a request."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import dspy
import pytest

import otel_dspy
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.breakable_optimizations import DEMOS
from tests.support.gepa_task import optimize as gepa
from tests.support.gepa_task import reflection_lm, task_lm
from tests.support.in_process_lm import engine_of
from tests.support.recorded_run import recording_into
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.span_recorder import Recorder

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")


def random_search(lm: Any, threads: int) -> None:
    """Random search on six sums."""
    with dspy.context(lm=lm):
        dspy.BootstrapFewShotWithRandomSearch(
            metric=exact, num_candidate_programs=2, num_threads=threads, **DEMOS
        ).compile(dspy.Predict("question -> answer"), trainset=examples(6))


def mipro(lm: Any, threads: int) -> None:
    """MIPROv2 with minibatches on six sums."""
    optimizer: Any = dspy.MIPROv2(
        exact, prompt_model=lm, task_model=lm, auto=None, num_candidates=3, num_threads=threads, seed=2, **DEMOS
    )
    with dspy.context(lm=lm):
        optimizer.compile(
            dspy.Predict("question -> answer"),
            trainset=examples(4),
            valset=examples(6),
            num_trials=3,
            minibatch=True,
            minibatch_size=3,
            minibatch_full_eval_steps=2,
        )


def copro(lm: Any, threads: int) -> None:
    """COPRO, which proposes with a temperature of its own before the program runs."""
    with dspy.context(lm=lm):
        dspy.COPRO(metric=exact, breadth=3, depth=2).compile(
            dspy.Predict("question -> answer"), trainset=examples(4), eval_kwargs={"num_threads": threads}
        )


def simba(lm: Any, threads: int) -> None:
    """SIMBA, which first runs each example several times with a temperature of its own."""
    metric: Any = exact  # which SIMBA's annotation has take a dict
    with dspy.context(lm=lm):
        dspy.SIMBA(metric=metric, bsize=4, num_candidates=2, max_steps=1, num_threads=threads).compile(
            dspy.Predict("question -> answer"), trainset=examples(4)
        )


def requests(lm: Any) -> Counter[str]:
    """Count the requests to the model from now on, by its name."""
    engine, counted = engine_of(lm), Counter[str]()
    script = engine.script

    def counting(messages: Any) -> Any:
        counted[lm.model] += 1
        return script(messages)

    engine.script = counting
    return counted


def scores(recorder: Recorder) -> list[tuple[int, Any, Any]]:
    """Index, scope and score of each trial."""
    found: list[dict[str, Any]] = [dict(span.attributes or {}) for span in recorder.named("trial")]
    return sorted((one["dspy.trial.index"], one.get("dspy.trial.scope"), one.get("dspy.trial.score")) for one in found)


def run_again(folder: Path, optimize: Callable[..., None], threads: int) -> tuple[Any, Any, Any]:
    """Scores of the recorded optimization and of the one from its record, and the model that answered it."""
    lm = addition_lm()
    asked = requests(lm)
    with recording_into(folder) as uri:
        optimize(lm, threads)
    first = recorded_scores(uri)
    made = asked.total()
    assert made
    replayed = otel_dspy.replay_lm("latest", tracking_uri=uri, fallback=lm)
    with recording() as recorder:
        optimize(replayed, threads)
    assert asked.total() == made
    return first, scores(recorder), replayed


def recorded_scores(uri: str) -> list[tuple[int, Any, Any]]:
    """The same as `scores`, read from MLflow."""
    trials = otel_dspy.report(tracking_uri=uri).compile.trials
    return [(trial.row.index, trial.row.scope, trial.row.score) for trial in trials]


@pytest.mark.parametrize("optimize", [random_search, mipro])
def test_the_same_scores_without_a_request(tmp_path: Path, optimize: Callable[..., None]) -> None:
    """Each trial has the score that it had; every call is answered from the record."""
    first, again, lm = run_again(tmp_path, optimize, threads=1)
    assert len(first) > 3
    assert again == first
    assert lm.recordings.unknown == 0
    assert lm.recordings.answered


@pytest.mark.parametrize(
    ("optimize", "settings"),
    [
        (copro, {}),
        (simba, {"temperature": 0.5}),
        # Each optimizer and each setting is among those above.
        pytest.param(copro, {"temperature": 0.5}, marks=pytest.mark.slow),
        pytest.param(simba, {}, marks=pytest.mark.slow),
    ],
)
def test_the_temperature_of_an_optimizers_own_calls_is_no_default(
    tmp_path: Path, optimize: Callable[..., None], settings: dict[str, Any]
) -> None:
    """Without the recorded model at hand each call is answered from the record, and the scores are the same."""
    with recording_into(tmp_path) as uri:
        optimize(addition_lm(**settings), 1)
    replayed = otel_dspy.replay_lm("latest", tracking_uri=uri)
    with recording() as recorder:
        optimize(replayed, 1)
    assert replayed.kwargs["temperature"] == settings.get("temperature")
    assert replayed.recordings.unknown == 0
    assert scores(recorder) == recorded_scores(uri)


@pytest.mark.slow
@pytest.mark.parametrize("optimize", [random_search, mipro])
def test_with_eight_threads(tmp_path: Path, optimize: Callable[..., None]) -> None:
    """The same on eight threads."""
    first, again, lm = run_again(tmp_path, optimize, threads=8)
    assert again == first
    assert lm.recordings.unknown == 0


@pytest.mark.parametrize("threads", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_gepa(tmp_path: Path, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models, each answered from the record: the reflection model proposes the same instructions in order."""
    task, reflecting = task_lm(), reflection_lm()
    asked = [requests(task), requests(reflecting)]
    monkeypatch.setattr("tests.support.gepa_task.task_lm", lambda: task)
    settings: dict[str, Any] = {"num_threads": threads, "max_metric_calls": 24}
    with recording_into(tmp_path) as uri:
        gepa(reflection_lm=reflecting, **settings)
    made = [count.total() for count in asked]
    assert all(made)
    first = recorded_scores(uri)
    with pytest.raises(otel_dspy.RerunError, match=r"has calls of 2 models: pass model= with one of openai/reflecting"):
        otel_dspy.replay_lm(tracking_uri=uri)
    models = [otel_dspy.replay_lm(tracking_uri=uri, model=name) for name in ("openai/scripted", "reflecting")]
    monkeypatch.setattr("tests.support.gepa_task.task_lm", lambda: models[0])
    with recording() as recorder:
        gepa(reflection_lm=models[1], **settings)
    assert scores(recorder) == first
    assert len(first) > 2
    assert [count.total() for count in asked] == made
    assert [lm.recordings.unknown for lm in models] == [0, 0]
    assert all(lm.recordings.answered for lm in models)
