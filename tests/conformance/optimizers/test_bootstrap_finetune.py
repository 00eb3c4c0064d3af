"""BootstrapFinetune with a stub provider: its bootstrap and its jobs. No model is trained."""

from __future__ import annotations

from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from dspy.teleprompt import BootstrapFinetune
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizer_runs import tracked_runs
from tests.support.span_recorder import recording
from tests.support.stub_trainers import CancelledFinetuning, StubFinetuning
from tests.support.two_step_programs import Twice

if TYPE_CHECKING:
    from pathlib import Path


def _optimize(provider: StubFinetuning, **settings: Any) -> Any:
    lm = addition_lm(provider=provider)
    program = Twice()
    program.set_lm(lm)
    train_kwargs = {"epochs": 2, "api_key": "sk-planted-secret-0123456789"}
    optimizer = BootstrapFinetune(exact, train_kwargs=train_kwargs, num_threads=2, **settings)
    with dspy.context(lm=lm):
        return optimizer.compile(program, examples(4))


def test_one_job_for_a_model() -> None:
    """Bootstrap and fine-tuning are phases; the job is a trial without a score: model, data, settings, new model."""
    provider = StubFinetuning()
    with recording() as recorder:
        best = _optimize(provider)
    assert recorder.control("compile", "trial.", "evaluate.", "phase.", "compile.trial.count") == snapshot(
        [
            "compile BootstrapFinetune compile.trial.count=1",
            "  setup BootstrapFinetune",
            "    dataset train",
            "  phase bootstrap phase.name=bootstrap",
            '    evaluate exact evaluate.num_errors=0 evaluate.num_examples=4 evaluate.results=[{"index":0,"id":"bfe2e71e9315e6cf","score":0.0},{"index":1,"id":"473159302de95433","score":1.0},{"index":2,"id":"9314af874c1399fa","score":0.0},{"index":3,"id":"7f8d08afc28dd7ea","score":1.0}] evaluate.scope=full evaluate.score=50.0 phase.name=bootstrap',
            "  phase finetune phase.name=finetune",
            "    trial BootstrapFinetune trial.index=0 trial.is_best=False trial.kind=step trial.label=job openai/scripted trial.parameter.examples=4 trial.parameter.finetuned_model=openai/scripted-tuned-1 trial.parameter.format=chat trial.parameter.model=openai/scripted trial.parameter.predictor=all trial.parameter.train_kwargs.epochs=2 trial.scope=full trial.state=complete",
        ]
    )
    (job,) = provider.jobs
    (trial,) = recorder.named("trial")
    recorded = trial.attributes or {}
    assert recorded["dspy.trial.parameter.examples"] == len(job["data"])
    assert recorded["dspy.trial.parameter.finetuned_model"] == best.first.lm.model == best.second.lm.model
    assert "planted-secret" not in str([span.attributes for span in recorder.spans])


def test_a_job_for_each_predictor() -> None:
    """With `multitask=False` each predictor has a job of its own, identified by the predictor's number."""
    with recording() as recorder:
        best = _optimize(StubFinetuning(), multitask=False)
    recorded = [
        {
            name.removeprefix("dspy.trial.parameter."): value
            for name, value in span.attributes.items()
            if "parameter" in name
        }
        for span in recorder.named("trial")
        if span.attributes
    ]
    assert recorded == snapshot(
        [
            {
                "model": "openai/scripted",
                "predictor": 0,
                "examples": 2,
                "format": "chat",
                "train_kwargs.epochs": 2,
                "finetuned_model": "openai/scripted-tuned-1",
            },
            {
                "model": "openai/scripted",
                "predictor": 1,
                "examples": 2,
                "format": "chat",
                "train_kwargs.epochs": 2,
                "finetuned_model": "openai/scripted-tuned-2",
            },
        ]
    )
    assert {str(entry["finetuned_model"]) for entry in recorded} == {best.first.lm.model, best.second.lm.model}


def test_a_job_that_fails() -> None:
    """The provider's error stands on the job, its phase and the compile, and reaches the user as it is."""
    failure = RuntimeError("out of memory")
    with recording() as recorder, pytest.raises(RuntimeError) as raised:
        _optimize(StubFinetuning(failure))
    assert raised.value is failure
    assert recorder.control("compile", "trial.state", "error") == snapshot(
        [
            "compile BootstrapFinetune error.type=RuntimeError ERROR(out of memory)",
            "  setup BootstrapFinetune",
            "    dataset train",
            "  phase bootstrap",
            "    evaluate exact",
            "  phase finetune error.type=RuntimeError ERROR(out of memory)",
            "    trial BootstrapFinetune trial.state=fail error.type=RuntimeError ERROR(out of memory)",
        ]
    )


def test_a_job_that_is_cancelled(tmp_path: Path) -> None:
    """The job's trial has the error that the user gets, and its run is KILLED, as that of the compile."""

    def cancelled() -> None:
        with pytest.raises(CancelledError):
            _optimize(CancelledFinetuning())

    with recording() as recorder:
        cancelled()
    (trial,) = recorder.named("trial")
    assert trial.attributes is not None
    assert trial.attributes["dspy.trial.state"] == "fail"
    assert trial.attributes["error.type"] == "concurrent.futures._base.CancelledError"
    _, runs = tracked_runs(tmp_path, cancelled)
    assert [line.strip() for line in runs if line.endswith((": KILLED", ": FINISHED", ": FAILED"))] == [
        "BootstrapFinetune Twice: KILLED",
        "trial 0: job openai/scripted: KILLED",
    ]


def test_settings_of_two_models_with_one_name() -> None:
    """Each model's settings are parameters of the compile."""
    first, second = (addition_lm(provider=StubFinetuning(), temperature=heat) for heat in (0.1, 0.2))
    program = Twice()
    program.first.set_lm(first)
    program.second.set_lm(second)
    settings = {first: {"epochs": 1}, second: {"epochs": 2}}
    with recording() as recorder, dspy.context(lm=first):
        BootstrapFinetune(exact, train_kwargs=settings, num_threads=2).compile(program, examples(2))
    (compiled,) = recorder.named("compile")
    assert {name: value for name, value in (compiled.attributes or {}).items() if "epochs" in name} == {
        "dspy.optimizer.parameter.train_kwargs.openai/scripted.epochs": 1,
        "dspy.optimizer.parameter.train_kwargs.openai/scripted (2).epochs": 2,
    }


def test_the_run_tree(tmp_path: Path) -> None:
    """The bootstrap's rows stand on the compile's run, the job is a run below it; no score is made up."""
    best, runs = tracked_runs(tmp_path, lambda: _optimize(StubFinetuning()))
    assert runs == snapshot(
        [
            "BootstrapFinetune Twice: FINISHED",
            "  params exclude_demos=False, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, metric=exact, multitask=True, num_threads=2, train_kwargs.epochs=2",
            '  metrics usage/lm_calls={"0": 8.0, "1": 8.0}',
            "  artifacts best_model.json, bootstrap_table.json, initial_model.json, optimization_summary.json, trainset.json",
            "  5 traces",
            "    trial 0: job openai/scripted: FINISHED",
            "      params examples=4, finetuned_model=openai/scripted-tuned-1, format=chat, model=openai/scripted, predictor=all, train_kwargs.epochs=2",
            "      tags dspy.trial.index=0, dspy.trial.is_best=false, dspy.trial.kind=step, dspy.trial.label=job openai/scripted, dspy.trial.scope=full, dspy.trial.state=complete",
            "      metrics usage/lm_calls=0.0",
            "      artifacts ",
        ]
    )
    assert best.first.lm.model == "openai/scripted-tuned-1"
