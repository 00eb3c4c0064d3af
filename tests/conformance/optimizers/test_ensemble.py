"""Ensemble: no trials, several programs in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
from dspy.teleprompt import Ensemble
from inline_snapshot import snapshot

from otel_dspy import forecast
from otel_dspy.hooks.optimizers.plans.call_plan import Amount
from otel_dspy.runtime.error_guard import failures
from otel_dspy.serialization.programs import snapshot_if_program
from tests.support.addition_task import addition_lm
from tests.support.optimizer_runs import drawn, tracked_tree
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path


def _together() -> Any:
    programs = [dspy.Predict("question -> answer"), dspy.ChainOfThought("question -> answer")]
    return Ensemble(reduce_fn=dspy.majority, size=None).compile(programs)


def test_the_control_trace() -> None:
    """The programs are counted, the function that joins their answers is named, and the result has a program id."""
    with recording() as recorder:
        ensemble = _together()
    assert recorder.tree("compile", "compile.", "optimizer.", "program.") == snapshot(
        [
            "compile Ensemble compile.id=c1 compile.trial.count=0 optimizer.name=Ensemble optimizer.parameter.deterministic=False optimizer.parameter.programs=2 optimizer.parameter.reduce_fn=majority program.id=7c29d9fa6fe8337f program.name=Predict",
            "  setup Ensemble compile.id=c1 optimizer.name=Ensemble optimizer.parameter.deterministic=False optimizer.parameter.programs=2 optimizer.parameter.reduce_fn=majority program.name=Predict",
        ]
    )
    (compiled,) = recorder.named("compile")
    made = snapshot_if_program(ensemble)
    assert made is not None
    assert (compiled.attributes or {})["dspy.program.id"] == made.id


def test_the_forecast_is_no_call() -> None:
    """A compile that is given programs and no student makes no calls, and no part of otel-dspy fails."""
    before = failures()
    with recording() as recorder:
        _together()
    (setup,) = recorder.attributes_of("setup")
    assert {name: value for name, value in setup.items() if name.startswith("forecast.")} == {
        "forecast.lm_calls.low": 0,
        "forecast.lm_calls.high": 0,
        "forecast.role.task.lm_calls.low": 0,
        "forecast.role.task.lm_calls.high": 0,
    }
    programs = [dspy.Predict("question -> answer")]
    assert forecast(Ensemble(), None, [], programs=programs).lm_calls == Amount.exactly(0)
    assert failures() == before


def test_a_call_of_the_ensemble_is_one_tree() -> None:
    """Each of the programs is called inside the ensemble's own span, and joins as it does without us."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        assert _together()(question="1+1").answer == "2"
    assert recorder.tree("module", "module.name") == snapshot(
        [
            "module EnsembledProgram module.name=self",
            "  module Predict module.name=programs[0]",
            "    chat scripted module.name=programs[0]",
            "  module ChainOfThought module.name=programs[1]",
            "    module Predict module.name=programs[1].predict",
            "      chat scripted module.name=programs[1].predict",
        ]
    )


def test_the_run_tree(tmp_path: Path) -> None:
    """One run with the ensemble's state; a program was not given, so that there is no initial one."""
    ensemble, tree = tracked_tree(tmp_path, _together)
    assert [line for run in tree.runs for line in drawn(run)] == snapshot(
        [
            "Ensemble Predict: FINISHED",
            "  params deterministic=False, programs=2, reduce_fn=majority",
            "  metrics usage/lm_calls=0.0",
            "  artifacts best_model.json, optimization_summary.json",
            "  1 traces",
        ]
    )
    state = tree.runs[0].artifacts["best_model.json"]
    assert {name: state[name]["signature"] for name in state if name != "metadata"} == {
        name: predictor.signature.dump_state() for name, predictor in ensemble.named_predictors()
    }
