"""`gepa.optimize` and `optimize_anything` without DSPy's GEPA class: a compile with every proposal."""

from __future__ import annotations

import inspect
import json
import logging
from typing import TYPE_CHECKING, Any, cast

import gepa.api
import pytest
from gepa import optimize_anything as anything
from gepa.optimize_anything import EngineConfig, GEPAConfig, ReflectionConfig, TrackingConfig
from gepa.strategies.proposal_sampling import IndependentSampling
from inline_snapshot import snapshot

from otel_dspy.serialization.programs import snapshot_of_texts
from tests.support.gepa_task import optimize
from tests.support.gepa_texts import (
    SEED,
    TRAINSET,
    VALSET,
    Digits,
    Quiet,
    answer,
    optimize_texts,
    questions,
    reflecting,
)
from tests.support.gepa_trials import attributes, front, trials, validation
from tests.support.span_recorder import recording
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.span_recorder import Recorder

optimize_anything = cast("Any", anything).optimize_anything  # imported before DSPy is instrumented, as programs do
_SHOWN = ("trial.kind", "trial.label", "trial.state", "trial.score", "trial.reason", "evaluate.role", "evaluate.scope")


def test_every_iteration_is_a_trial_with_its_phases() -> None:
    """The seed, proposals accepted, rejected and given up, each with the evaluations and the reflection of it."""
    with recording() as recorder:
        optimize_texts()
    lines = [line.partition(" trial.score.unit")[0] for line in recorder.control("compile", *_SHOWN)]
    assert lines == snapshot(
        [
            "compile gepa",
            "  setup gepa",
            "    dataset train",
            "    dataset validation",
            "  trial gepa trial.kind=baseline trial.label=seed trial.score=0.3333333333333333",
            "    phase validate",
            "      evaluate ContainsAnswerEvaluator evaluate.role=validation evaluate.scope=full",
            "  trial gepa trial.kind=candidate trial.label=iteration 1 trial.score=0.6666666666666666",
            "    phase evaluate_parent",
            "      evaluate ContainsAnswerEvaluator evaluate.role=parent evaluate.scope=minibatch",
            "    phase reflect",
            "    phase propose",
            "    phase evaluate_candidate",
            "      evaluate ContainsAnswerEvaluator evaluate.role=candidate evaluate.scope=minibatch",
            "    phase validate",
            "      evaluate ContainsAnswerEvaluator evaluate.role=validation evaluate.scope=full",
            "  trial gepa trial.kind=candidate trial.label=iteration 2 trial.reason=New subsample score 0.0 not better than old score 0.0 trial.score=0.0",
            "    phase evaluate_parent",
            "      evaluate ContainsAnswerEvaluator evaluate.role=parent evaluate.scope=minibatch",
            "    phase reflect",
            "    phase propose",
            "    phase evaluate_candidate",
            "      evaluate ContainsAnswerEvaluator evaluate.role=candidate evaluate.scope=minibatch",
            "  trial gepa trial.kind=candidate trial.label=iteration 3 trial.reason=New subsample score 0.0 not better than old score 0.0 trial.score=0.0",
            "    phase evaluate_parent",
            "      evaluate ContainsAnswerEvaluator evaluate.role=parent evaluate.scope=minibatch",
            "    phase reflect",
            "    phase propose",
            "    phase evaluate_candidate",
            "      evaluate ContainsAnswerEvaluator evaluate.role=candidate evaluate.scope=minibatch",
            "  trial gepa trial.kind=candidate trial.label=iteration 4 trial.reason=New subsample score 1.0 not better than old score 1.0 trial.score=0.5",
            "    phase evaluate_parent",
            "      evaluate ContainsAnswerEvaluator evaluate.role=parent evaluate.scope=minibatch",
            "    phase reflect",
            "    phase propose",
            "    phase evaluate_candidate",
            "      evaluate ContainsAnswerEvaluator evaluate.role=candidate evaluate.scope=minibatch",
            '  trial gepa trial.kind=candidate trial.label=iteration 5 trial.reason=all_scores_perfect trial.scores=[{"on":"minibatch","id":5,"before":[1.0]},{"on":"minibatch","id":3,"before":[1.0]}] trial.state=pruned',
            "    phase evaluate_parent",
            "      evaluate ContainsAnswerEvaluator evaluate.role=parent evaluate.scope=minibatch",
        ]
    )
    (compiled,) = recorder.named("compile")
    assert not any("dspy.trial.candidate" in attributes(span) for span in recorder.spans)  # content is off
    assert "Knows" not in str([attributes(span) for span in recorder.spans])
    assert attributes(compiled)["dspy.compile.best_trial.index"] == 1


def test_numbers_are_those_of_the_result() -> None:
    """Scores, parents, budget, Pareto front, texts and the best candidate are exactly what gepa returns."""
    with recording(capture_programs=True, capture_content=True) as recorder:
        result = optimize_texts()
    recorded = trials(recorder)
    pool = [trial for trial in recorded if "parameter.candidate" in trial]
    assert [trial["score"] for trial in pool] == result.val_aggregate_scores
    assert [list(trial.get("parameter.parents", [None])) for trial in pool] == result.parents
    assert [validation(trial) for trial in pool] == result.val_subscores
    assert front(pool[-1]) == result.per_val_instance_best_candidates
    assert recorded[-1]["measure.metric_calls"] == result.total_metric_calls
    assert pool[1]["candidate"] == {"system": {"before": {"0": "Knows 0."}, "after": "Knows 1 2."}}
    assert [trial["dspy.program.id"] for trial in pool] == [snapshot_of_texts(one).id for one in result.candidates]
    (compiled,) = recorder.named("compile")
    assert attributes(compiled)["dspy.program.id"] == snapshot_of_texts(result.best_candidate).id
    states = [attributes(span).get("dspy.program.state") for span in recorder.named("setup")]
    assert states == [json.dumps(SEED)]
    rows = json.loads(attributes(recorder.named("evaluate")[0])["dspy.evaluate.results"])
    assert rows[1] == snapshot(
        {
            "index": 1,
            "id": "c1f08b4e9b5a19a0",
            "score": 0.0,
            "inputs": {"input": "a1", "answer": "1", "additional_context": {}},
            "labels": {},
            "prediction": {"full_assistant_response": "no idea"},
        }
    )
    assert len(recorder.named("example")) == result.total_metric_calls


def test_every_parameter_is_recorded() -> None:
    """The arguments of `gepa.optimize`, with what its defaults came to; nothing of the data, no object's address."""
    with recording(capture_programs=True) as recorder:
        optimize_texts(reflection_lm_kwargs={"api_key": "sk-of-mine"}, use_merge=True, wandb_api_key="sk-too")
    (setup,) = recorder.named("setup")
    found = {
        name.removeprefix("dspy.optimizer.parameter."): value
        for name, value in attributes(setup).items()
        if name.startswith("dspy.optimizer.parameter.")
    }
    assert found == snapshot(
        {
            "perfect_score": 1.0,
            "seed": 5,
            "frontier_type": "instance",
            "track_best_outputs": True,
            "display_progress_bar": False,
            "raise_on_exception": True,
            "use_cloudpickle": False,
            "val_evaluation_policy": "full_eval",
            "acceptance_criterion": "strict_improvement",
            "selection_strategy": "all_improvements",
            "candidate_selection_strategy": "pareto",
            "module_selector": "round_robin",
            "batch_sampler": "epoch_shuffled",
            "skip_perfect_score": True,
            "sampling_strategy": "SingleMutationSampling",
            "reflection_lm": "reflect",
            "use_merge": True,
            "max_merge_invocations": 5,
            "merge_val_overlap_floor": 5,
            "reflection_minibatch_size": 2,
            "max_metric_calls": 30,
            "cache_evaluation": False,
            "adapter": "DefaultAdapter",
            "evaluator": "ContainsAnswerEvaluator",
            "task_lm": "answer",
            "use_wandb": False,
            "wandb_attach_existing": False,
            "use_mlflow": False,
            "mlflow_attach_existing": False,
            "tracking_key_prefix": "",
            "components": ("system",),
        }
    )
    unset = {name for name in inspect.signature(cast("Any", gepa.api).optimize).parameters if name not in found}
    assert unset == snapshot(
        {
            "callbacks",
            "custom_candidate_proposer",
            "logger",
            "max_reflection_cost",
            "mlflow_experiment_name",
            "mlflow_tracking_uri",
            "reflection_lm_kwargs",
            "reflection_prompt_template",
            "reflection_strategy",
            "run_dir",
            "seed_candidate",
            "stop_callbacks",
            "trainset",
            "valset",
            "wandb_api_key",
            "wandb_init_kwargs",
        }
    )


def test_an_adapter_of_the_users_own() -> None:
    """Its objectives are measures of the trials and means of the evaluations; its class names the program."""
    with recording() as recorder:
        result = optimize_texts(adapter=Digits(), frontier_type="hybrid")
    pool = [trial for trial in trials(recorder) if "parameter.candidate" in trial]
    found = [(trial["measure.objective/right"], trial["measure.objective/short"]) for trial in pool]
    assert found == [(one["right"], one["short"]) for one in result.val_aggregate_subscores]
    (compiled,) = recorder.named("compile")
    assert attributes(compiled)["dspy.program.name"] == attributes(compiled)["dspy.metric.name"] == "Digits"
    assert attributes(recorder.named("evaluate")[0])["dspy.evaluate.objective.right"] == result.val_aggregate_scores[0]


class Seen:
    """A callback of the user's own."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __getattr__(self, name: str) -> Any:
        """Every callback notes its name."""
        if not name.startswith("on_"):
            raise AttributeError(name)

        def note(_event: object) -> None:
            self.events.append(name)

        return note


def test_the_users_callbacks_run_as_ever() -> None:
    """The same events reach them; their list is left as it is; the result is the same."""
    lists: list[list[Seen]] = []

    def run() -> object:
        lists.append([Seen()])
        return optimize_texts(callbacks=lists[-1]).to_dict()

    same_with_and_without(run)
    (before,), (after,) = lists
    assert before.events == after.events
    assert "on_candidate_accepted" in after.events


@pytest.mark.parametrize("error", [ValueError("no more"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [1, 3])
def test_an_error_of_an_adapter_propagates(error: BaseException, at: int) -> None:
    """The trial that was open and the compile end with the error, whenever it came."""
    recorder: Recorder = same_with_and_without(lambda: optimize_texts(adapter=Digits(at=at, error=error)))
    (compiled,) = recorder.named("compile")
    assert attributes(compiled)["error.type"] == type(error).__name__
    assert trials(recorder)[-1]["state"] == "fail"
    assert {span.parent is None for span in recorder.named("trial")} == {False}


def test_a_function_imported_before_instrumentation() -> None:
    """The run is recorded although the call of the function is not seen."""
    early = cast("Any", gepa.api).optimize  # the package's `gepa.optimize` is wrapped, this is not
    with recording() as recorder:
        optimize_texts(early)
    (setup,) = recorder.named("setup")
    assert attributes(setup)["dspy.optimizer.parameter.reflection_minibatch_size"] == 2
    assert len(recorder.named("trial")) == 6


def test_the_class_of_dspy_is_one_compile() -> None:
    """DSPy's GEPA calls `gepa.optimize`: its compile is the only one."""
    with recording() as recorder:
        optimize(max_metric_calls=12)
    assert [span.name for span in recorder.named("compile")] == ["compile GEPA"]


def test_several_proposals_at_once() -> None:
    """Two proposals of one iteration are two trials; their texts are reflected on in one phase."""
    with recording(capture_programs=True) as recorder:
        optimize_texts(sampling_strategy=IndependentSampling(2), max_metric_calls=20)
    assert [trial["label"] for trial in trials(recorder)] == snapshot(
        ["seed", "iteration 1", "iteration 1, proposal 2", "iteration 2", "iteration 2, proposal 2"]
    )


def _anything(candidate: str, example: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    found = answer([{"content": candidate}, {"content": example["input"]}])
    return float(found == example["answer"]), {"answer": found}


def test_optimize_anything() -> None:
    """A text of any kind: its trials, parameters from the `config`, the evaluator as the metric."""
    config = GEPAConfig(
        engine=EngineConfig(max_metric_calls=20, seed=5, parallel=False),
        reflection=ReflectionConfig(reflection_lm=cast("Any", reflecting()), reflection_minibatch_size=2),
        tracking=TrackingConfig(logger=Quiet()),
    )
    with recording() as recorder:
        result = optimize_anything(
            "Knows 0.", evaluator=_anything, dataset=TRAINSET, valset=VALSET, objective="Know digits.", config=config
        )
    pool = [trial for trial in trials(recorder) if "parameter.candidate" in trial]
    assert [trial["score"] for trial in pool] == result.val_aggregate_scores
    (compiled,) = recorder.named("compile")
    recorded = attributes(compiled)
    assert recorded["dspy.program.name"] == "OptimizeAnythingAdapter"
    assert recorded["dspy.metric.name"] == "_anything"
    assert recorded["dspy.optimizer.parameter.max_metric_calls"] == 20
    assert recorded["dspy.optimizer.parameter.parallel"] is False
    assert "dspy.optimizer.parameter.objective" not in recorded  # a prompt's text, and texts are off


def test_it_resumes_from_a_run_dir(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The stored candidates are the first trials; the fresh evaluation of the seed is a phase's; a difference is recorded."""
    first = optimize_texts(run_dir=str(tmp_path), max_metric_calls=14)
    with recording() as recorder, caplog.at_level(logging.WARNING, "otel_dspy"):
        result = optimize_texts(
            run_dir=str(tmp_path), max_metric_calls=30, seed_candidate={"system": "Knows 0 1."}, valset=questions("a0")
        )
    recorded = trials(recorder)
    restored = [trial for trial in recorded if trial.get("parameter.restored")]
    assert [trial["score"] for trial in restored] == first.val_aggregate_scores
    assert [trial["dspy.program.id"] for trial in restored] == [snapshot_of_texts(one).id for one in first.candidates]
    pool = [trial for trial in recorded if "parameter.candidate" in trial]
    assert [trial["score"] for trial in pool] == result.val_aggregate_scores
    (compiled,) = recorder.named("compile")
    summary = attributes(compiled)
    assert summary["dspy.compile.resumed.from"] == str(tmp_path)
    assert summary["dspy.compile.resumed.differences"] == (
        "text of system",
        "1 validation examples instead of 6",
    )
    (evaluation,) = [span for span in recorder.named("evaluate") if attributes(span).get("dspy.phase.name") == "resume"]
    assert attributes(evaluation)["dspy.evaluate.num_examples"] == 1
    assert "text of system" in caplog.text
