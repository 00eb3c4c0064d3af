"""SIMBA: steps, candidates with their strategies, scores that are raw means, and the validation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from inline_snapshot import snapshot

from tests.support.addition_task import exact, examples
from tests.support.learning_lm import learning_lm
from tests.support.optimizer_runs import tracked_runs
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = ("trial.", "phase.", "compile.best", "compile.initial", "evaluate.num", "evaluate.scope")


def _optimize(metric: Any = exact, lm: dspy.LM | None = None) -> Any:
    optimizer = dspy.SIMBA(metric=metric, bsize=4, num_candidates=3, max_steps=2, max_demos=2, num_threads=1)
    with dspy.context(lm=lm or learning_lm(fickle=True)):
        return optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(6), seed=3)


def test_the_control_trace_contains_steps_candidates_and_validation() -> None:
    """A phase a step with its sampling, a trial a candidate with its strategy and source, and a trial a validation."""
    with recording() as recorder:
        _optimize()
    assert recorder.control("compile", *SHOWN) == snapshot(
        [
            "compile SIMBA compile.best_score=1.0 compile.best_trial.index=10 compile.initial_score=0.6666666666666666 trial.score.unit=ratio",
            "  setup SIMBA",
            "    dataset train",
            "  phase step phase.index=0 phase.name=step",
            "    phase sample phase.name=sample",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=12 evaluate.scope=minibatch phase.name=sample",
            "    trial SIMBA evaluate.num_examples=4 trial.index=0 trial.is_best=False trial.kind=candidate trial.label=step 0, candidate 0 trial.parameter.bucket_max_score=1.0 trial.parameter.bucket_min_score=0.0 trial.parameter.candidate=0 trial.parameter.simba_idx=1 trial.parameter.source_simba_idx=0 trial.parameter.step=0 trial.parameter.strategy=append_a_rule trial.parameter.strategy_applied=True trial.scope=minibatch trial.score=1.0 trial.score.unit=ratio trial.state=complete",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=4 evaluate.scope=minibatch trial.index=0",
            "    trial SIMBA evaluate.num_examples=4 trial.index=1 trial.is_best=False trial.kind=candidate trial.label=step 0, candidate 1 trial.parameter.bucket_max_score=1.0 trial.parameter.bucket_min_score=0.0 trial.parameter.candidate=1 trial.parameter.simba_idx=2 trial.parameter.source_simba_idx=0 trial.parameter.step=0 trial.parameter.strategy=append_a_demo trial.parameter.strategy_applied=True trial.scope=minibatch trial.score=0.75 trial.score.unit=ratio trial.state=complete",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=4 evaluate.scope=minibatch trial.index=1",
            "    trial SIMBA evaluate.num_examples=4 trial.index=2 trial.is_best=False trial.kind=candidate trial.label=step 0, candidate 2 trial.parameter.bucket_max_score=1.0 trial.parameter.bucket_min_score=1.0 trial.parameter.candidate=2 trial.parameter.simba_idx=3 trial.parameter.source_simba_idx=0 trial.parameter.step=0 trial.parameter.strategy=append_a_demo trial.parameter.strategy_applied=True trial.scope=minibatch trial.score=1.0 trial.score.unit=ratio trial.state=complete",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=4 evaluate.scope=minibatch trial.index=2",
            "    trial SIMBA evaluate.num_examples=4 trial.index=3 trial.is_best=False trial.kind=candidate trial.label=step 0, candidate 3 trial.parameter.bucket_max_score=1.0 trial.parameter.bucket_min_score=1.0 trial.parameter.candidate=3 trial.parameter.simba_idx=4 trial.parameter.source_simba_idx=0 trial.parameter.step=0 trial.parameter.strategy=append_a_demo trial.parameter.strategy_applied=True trial.scope=minibatch trial.score=0.75 trial.score.unit=ratio trial.state=complete",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=4 evaluate.scope=minibatch trial.index=3",
            "  phase step phase.index=1 phase.name=step",
            "    phase sample phase.name=sample",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=12 evaluate.scope=minibatch phase.index=1 phase.name=sample",
            "    trial SIMBA evaluate.num_examples=4 trial.index=4 trial.is_best=False trial.kind=candidate trial.label=step 1, candidate 0 trial.parameter.bucket_max_score=1.0 trial.parameter.bucket_min_score=0.0 trial.parameter.candidate=0 trial.parameter.simba_idx=5 trial.parameter.source_simba_idx=3 trial.parameter.step=1 trial.parameter.strategy=append_a_rule trial.parameter.strategy_applied=True trial.scope=minibatch trial.score=1.0 trial.score.unit=ratio trial.state=complete",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=4 evaluate.scope=minibatch trial.index=4",
            "    trial SIMBA evaluate.num_examples=4 trial.index=5 trial.is_best=False trial.kind=candidate trial.label=step 1, candidate 1 trial.parameter.bucket_max_score=1.0 trial.parameter.bucket_min_score=0.0 trial.parameter.candidate=1 trial.parameter.simba_idx=6 trial.parameter.source_simba_idx=3 trial.parameter.step=1 trial.parameter.strategy=append_a_rule trial.parameter.strategy_applied=True trial.scope=minibatch trial.score=1.0 trial.score.unit=ratio trial.state=complete",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=4 evaluate.scope=minibatch trial.index=5",
            "    trial SIMBA evaluate.num_examples=4 trial.index=6 trial.is_best=False trial.kind=candidate trial.label=step 1, candidate 2 trial.parameter.bucket_max_score=1.0 trial.parameter.bucket_min_score=1.0 trial.parameter.candidate=2 trial.parameter.simba_idx=7 trial.parameter.source_simba_idx=3 trial.parameter.step=1 trial.parameter.strategy=append_a_demo trial.parameter.strategy_applied=True trial.scope=minibatch trial.score=0.75 trial.score.unit=ratio trial.state=complete",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=4 evaluate.scope=minibatch trial.index=6",
            "    trial SIMBA evaluate.num_examples=4 trial.index=7 trial.is_best=False trial.kind=candidate trial.label=step 1, candidate 3 trial.parameter.bucket_max_score=1.0 trial.parameter.bucket_min_score=1.0 trial.parameter.candidate=3 trial.parameter.simba_idx=8 trial.parameter.source_simba_idx=3 trial.parameter.step=1 trial.parameter.strategy=append_a_demo trial.parameter.strategy_applied=True trial.scope=minibatch trial.score=0.75 trial.score.unit=ratio trial.state=complete",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=4 evaluate.scope=minibatch trial.index=7",
            "  phase validate phase.name=validate",
            "    trial SIMBA evaluate.num_examples=6 trial.best_score=0.6666666666666666 trial.index=8 trial.is_best=True trial.kind=baseline trial.label=validation 0 trial.parameter.position=0 trial.parameter.simba_idx=0 trial.scope=full trial.score=0.6666666666666666 trial.score.unit=ratio trial.state=complete",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=6 evaluate.scope=full trial.index=8",
            "    trial SIMBA compile.initial_score=0.6666666666666666 evaluate.num_examples=6 trial.best_score=0.8333333333333334 trial.index=9 trial.is_best=True trial.kind=full_evaluation trial.label=validation 1 trial.parameter.position=1 trial.parameter.simba_idx=1 trial.scope=full trial.score=0.8333333333333334 trial.score.unit=ratio trial.state=complete",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=6 evaluate.scope=full trial.index=9",
            "    trial SIMBA compile.initial_score=0.6666666666666666 evaluate.num_examples=6 trial.best_score=1.0 trial.index=10 trial.is_best=True trial.kind=full_evaluation trial.label=validation 2 trial.parameter.position=2 trial.parameter.simba_idx=5 trial.scope=full trial.score=1.0 trial.score.unit=ratio trial.state=complete",
            "      evaluate exact evaluate.num_errors=0 evaluate.num_examples=6 evaluate.scope=full trial.index=10",
        ]
    )


def test_the_numbers_are_those_of_simba() -> None:
    """Validation scores are those of `candidate_programs` and `trial_logs`; candidates' are the means of their rows."""
    with recording(capture_programs=True) as recorder:
        best = _optimize()
    trials = recorder.attributes_of("trial")
    (compiled,) = recorder.attributes_of("compile SIMBA")
    scores = [trial["trial.score"] for trial in trials if trial["trial.scope"] == "full"]
    assert sorted(scores, reverse=True) == [candidate["score"] for candidate in best.candidate_programs]
    assert scores[1:] == [best.trial_logs[number]["train_score"] for number in range(len(scores) - 1)]
    assert (compiled["compile.best_score"], compiled["compile.initial_score"]) == (max(scores), scores[0])
    rows = {
        recorded.get("trial.index"): json.loads(recorded["evaluate.results"])
        for recorded in recorder.attributes_of("evaluate")
    }
    for trial in trials:
        found = [row["score"] for row in rows[trial["trial.index"]]]
        assert trial["trial.score"] == sum(found) / len(found)


def test_the_returned_program_is_that_of_the_best_trial() -> None:
    """The best trial names the candidate that it validates, and the program that is returned holds what that added."""
    with recording(capture_programs=True) as recorder:
        best = _optimize()
    trials = recorder.attributes_of("trial")
    (compiled,) = recorder.attributes_of("compile SIMBA")
    built = {trial["trial.parameter.simba_idx"]: trial for trial in trials if trial["trial.scope"] == "minibatch"}
    winner = trials[int(compiled["compile.best_trial.index"])]
    step = built[winner["trial.parameter.simba_idx"]]
    # SIMBA copies a step's winner before it gives it a number: what is returned bears that of its source.
    assert best.simba_idx == step["trial.parameter.source_simba_idx"]
    assert winner["program.id"] == step["program.id"] == compiled["program.id"]
    added = json.loads(step["trial.candidate"])["self"]
    assert added.keys() == {"rule"}  # by the strategy of that step, `append_a_rule`
    assert added["rule"]
    assert best.signature.instructions.endswith(added["rule"])


def test_the_runs_in_mlflow(tmp_path: Path) -> None:
    """A run a candidate and a validation below the compile's, with the ratios as `score/full`; the samples are a table."""
    _, runs = tracked_runs(tmp_path, _optimize)
    assert runs == snapshot(
        [
            "SIMBA Predict: FINISHED",
            "  params bsize=4, demo_input_field_maxlen=100000, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_demos=2, max_steps=2, metric=exact, num_candidates=3, num_threads=1, seed=3, temperature_for_candidates=0.2, temperature_for_sampling=0.2",
            "  tags dspy.compile.best_trial.index=10",
            '  metrics score/best={"8": 0.6666666666666666, "9": 0.8333333333333334, "10": 1.0, "11": 1.0}, score/full={"8": 0.6666666666666666, "9": 0.8333333333333334, "10": 1.0}, score/initial=0.6666666666666666, score/minibatch={"0": 1.0, "1": 0.75, "2": 1.0, "3": 0.75, "4": 1.0, "5": 1.0, "6": 0.75, "7": 0.75}, usage/lm_calls={"0": 29.0, "1": 29.0, "2": 29.0, "3": 29.0, "4": 59.0, "5": 59.0, "6": 59.0, "7": 59.0, "8": 77.0, "9": 77.0, "10": 77.0, "11": 77.0}',
            "  artifacts best_model.json, initial_model.json, optimization_summary.json, sample_table.json, sample_table_2.json, trainset.json",
            "  25 traces",
            "    trial 0: step 0, candidate 0: FINISHED",
            "      params bucket_max_score=1.0, bucket_min_score=0.0, candidate=0, simba_idx=1, source_simba_idx=0, step=0, strategy=append_a_rule, strategy_applied=True",
            "      tags dspy.trial.index=0, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=step 0, candidate 0, dspy.trial.scope=minibatch, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/minibatch=1.0, score/num_examples=4.0, usage/lm_calls=5.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 1: step 0, candidate 1: FINISHED",
            "      params bucket_max_score=1.0, bucket_min_score=0.0, candidate=1, simba_idx=2, source_simba_idx=0, step=0, strategy=append_a_demo, strategy_applied=True",
            "      tags dspy.trial.index=1, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=step 0, candidate 1, dspy.trial.scope=minibatch, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/minibatch=0.75, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 2: step 0, candidate 2: FINISHED",
            "      params bucket_max_score=1.0, bucket_min_score=1.0, candidate=2, simba_idx=3, source_simba_idx=0, step=0, strategy=append_a_demo, strategy_applied=True",
            "      tags dspy.trial.index=2, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=step 0, candidate 2, dspy.trial.scope=minibatch, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/minibatch=1.0, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 3: step 0, candidate 3: FINISHED",
            "      params bucket_max_score=1.0, bucket_min_score=1.0, candidate=3, simba_idx=4, source_simba_idx=0, step=0, strategy=append_a_demo, strategy_applied=True",
            "      tags dspy.trial.index=3, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=step 0, candidate 3, dspy.trial.scope=minibatch, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/minibatch=0.75, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 4: step 1, candidate 0: FINISHED",
            "      params bucket_max_score=1.0, bucket_min_score=0.0, candidate=0, simba_idx=5, source_simba_idx=3, step=1, strategy=append_a_rule, strategy_applied=True",
            "      tags dspy.trial.index=4, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=step 1, candidate 0, dspy.trial.scope=minibatch, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/minibatch=1.0, score/num_examples=4.0, usage/lm_calls=5.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 5: step 1, candidate 1: FINISHED",
            "      params bucket_max_score=1.0, bucket_min_score=0.0, candidate=1, simba_idx=6, source_simba_idx=3, step=1, strategy=append_a_rule, strategy_applied=True",
            "      tags dspy.trial.index=5, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=step 1, candidate 1, dspy.trial.scope=minibatch, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/minibatch=1.0, score/num_examples=4.0, usage/lm_calls=5.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 6: step 1, candidate 2: FINISHED",
            "      params bucket_max_score=1.0, bucket_min_score=1.0, candidate=2, simba_idx=7, source_simba_idx=3, step=1, strategy=append_a_demo, strategy_applied=True",
            "      tags dspy.trial.index=6, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=step 1, candidate 2, dspy.trial.scope=minibatch, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/minibatch=0.75, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 7: step 1, candidate 3: FINISHED",
            "      params bucket_max_score=1.0, bucket_min_score=1.0, candidate=3, simba_idx=8, source_simba_idx=3, step=1, strategy=append_a_demo, strategy_applied=True",
            "      tags dspy.trial.index=7, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=step 1, candidate 3, dspy.trial.scope=minibatch, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/minibatch=0.75, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 8: start, validation 0: FINISHED",
            "      params position=0, simba_idx=0",
            "      tags dspy.trial.index=8, dspy.trial.is_best=false, dspy.trial.kind=baseline, dspy.trial.label=validation 0, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.6666666666666666, score/num_examples=6.0, usage/lm_calls=6.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      6 traces",
            "    trial 9: validation 1: FINISHED",
            "      params position=1, simba_idx=1",
            "      tags dspy.trial.index=9, dspy.trial.is_best=false, dspy.trial.kind=full_evaluation, dspy.trial.label=validation 1, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.8333333333333334, score/num_examples=6.0, usage/lm_calls=6.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      6 traces",
            "    trial 10: validation 2: FINISHED",
            "      params position=2, simba_idx=5",
            "      tags dspy.trial.index=10, dspy.trial.is_best=true, dspy.trial.kind=full_evaluation, dspy.trial.label=validation 2, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=1.0, score/num_examples=6.0, usage/lm_calls=6.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      6 traces",
        ]
    )


def test_errors_of_programs_and_metrics_are_recorded_by_example() -> None:
    """SIMBA swallows both and scores 0: the example's row has the error; the trial continues."""

    def broken(example: dspy.Example, prediction: Any, trace: object = None) -> float:
        if example["question"] == "1+1":
            raise ArithmeticError("no score for this one")
        return float(exact(example, prediction, trace))

    with recording(capture_content=True) as recorder:
        _optimize(broken)
    (evaluation,) = [recorded for recorded in recorder.attributes_of("evaluate") if recorded.get("trial.index") == 6]
    rows = json.loads(evaluation["evaluate.results"])
    assert [(row["score"], row.get("error"), row.get("error_message")) for row in rows] == snapshot(
        [(1.0, None, None), (0.0, None, None), (0.0, "ArithmeticError", "no score for this one"), (1.0, None, None)]
    )


def test_outside_a_compile_the_strategies_are_the_user_s_own() -> None:
    """What is read from the optimizer is its own list; after `uninstrument` the class is as it was."""
    optimizer: Any = dspy.SIMBA(metric=cast("Any", exact), max_demos=0)
    given = cast("dict[str, Any]", vars(optimizer))["strategies"]
    with recording():
        assert optimizer.strategies is given
        optimizer.strategies = []
        assert vars(optimizer)["strategies"] == []
        del optimizer.strategies
        with pytest.raises(AttributeError, match="'SIMBA' object has no attribute 'strategies'"):
            getattr(optimizer, "strategies")  # noqa: B009 - it is read to see what that raises
    assert "strategies" not in vars(dspy.SIMBA)


def test_a_strategy_that_raises_fails_its_trial() -> None:
    """SIMBA drops such a candidate and goes on: its trial has the error and no score, the others keep their numbers."""
    with recording() as recorder:
        _optimize(lm=learning_lm(fickle=True, advice="no JSON"))
    assert [
        (
            trial["trial.label"],
            trial.get("trial.parameter.strategy"),
            trial["trial.state"],
            trial.get("error.type"),
            trial.get("trial.parameter.simba_idx"),
        )
        for trial in recorder.attributes_of("trial")
    ] == snapshot(
        [
            ("step 0, candidate 0", "append_a_rule", "fail", "dspy.utils.exceptions.AdapterParseError", None),
            ("step 0, candidate 1", "append_a_demo", "complete", None, 1),
            ("step 0, candidate 2", "append_a_demo", "complete", None, 2),
            ("step 0, candidate 3", "append_a_demo", "complete", None, 3),
            ("step 1, candidate 0", "append_a_rule", "fail", "dspy.utils.exceptions.AdapterParseError", None),
            ("step 1, candidate 1", "append_a_rule", "fail", "dspy.utils.exceptions.AdapterParseError", None),
            ("step 1, candidate 2", "append_a_demo", "complete", None, 4),
            ("step 1, candidate 3", "append_a_demo", "complete", None, 5),
            ("validation 0", None, "complete", None, 0),
            ("validation 1", None, "complete", None, 1),
            ("validation 2", None, "complete", None, 4),
        ]
    )
