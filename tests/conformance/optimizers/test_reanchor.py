"""ReAnchor: a trial each pass over the training set; scores are raw means."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy.teleprompt import reanchor
from inline_snapshot import snapshot

from tests.support.in_process_lm import in_process_lm
from tests.support.large_numbers_task import IsLarge, numbers, probably, right
from tests.support.optimizer_runs import tracked_runs
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path


def _optimize(metric: Any = right) -> tuple[Any, Any]:
    optimizer: Any = cast("Any", reanchor).ReAnchor(metric, num_threads=1, require_cache=False)
    with dspy.context(lm=in_process_lm(probably)):
        train = numbers(1, 2, 3, 5, 6, 7, 1, 2, 3, 5, 6, 7)
        return optimizer, optimizer.compile(dspy.Predict(IsLarge), trainset=train, valset=numbers(0, 4, 9))


def test_the_control_trace() -> None:
    """Before, each threshold that is tried, and the calibrated program; validation does not compete."""
    with recording() as recorder:
        optimizer, program = _optimize()
    assert recorder.control("compile", "trial.", "phase.name", "evaluate.num") == snapshot(
        [
            "compile ReAnchor trial.score.unit=ratio",
            "  setup ReAnchor",
            "    dataset train",
            "    dataset validation",
            "  trial ReAnchor evaluate.num_examples=12 trial.best_score=0.5 trial.index=0 trial.is_best=True trial.kind=baseline trial.label=before trial.scope=full trial.score=0.5 trial.score.unit=ratio trial.state=complete",
            "    evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=0",
            "  trial ReAnchor trial.best_score=0.5 trial.index=1 trial.is_best=False trial.kind=full_evaluation trial.label=validation before trial.measure.validation_score=0.6666666666666666 trial.scope=full trial.state=complete",
            "    evaluate right evaluate.num_errors=0 evaluate.num_examples=3 trial.index=1",
            "  phase calibrate phase.name=calibrate",
            "    trial ReAnchor evaluate.num_examples=12 trial.best_score=0.5 trial.index=2 trial.is_best=False trial.kind=step trial.label=before the next output trial.scope=full trial.score=0.5 trial.score.unit=ratio trial.state=complete",
            "      evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=2",
            "    trial ReAnchor evaluate.num_examples=12 trial.best_score=0.5 trial.index=3 trial.is_best=False trial.kind=step trial.label=self.large: observed trial.parameter.field=large trial.parameter.predictor=self trial.scope=full trial.score=0.5 trial.score.unit=ratio trial.state=complete",
            "      evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=3",
            "    trial ReAnchor evaluate.num_examples=12 trial.best_score=0.5 trial.index=4 trial.is_best=False trial.kind=step trial.label=self.large: start trial.parameter.field=large trial.parameter.predictor=self trial.scope=full trial.score=0.5 trial.score.unit=ratio trial.state=complete",
            "      evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=4",
            "    trial ReAnchor evaluate.num_examples=12 trial.best_score=0.5 trial.index=5 trial.is_best=False trial.kind=candidate trial.label=self.large: threshold trial.parameter.field=large trial.parameter.predictor=self trial.parameter.threshold=0.03 trial.scope=full trial.score=0.5 trial.score.unit=ratio trial.state=complete",
            "      evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=5",
            "    trial ReAnchor evaluate.num_examples=12 trial.best_score=0.6666666666666666 trial.index=6 trial.is_best=True trial.kind=candidate trial.label=self.large: threshold trial.parameter.field=large trial.parameter.predictor=self trial.parameter.threshold=0.1 trial.scope=full trial.score=0.6666666666666666 trial.score.unit=ratio trial.state=complete",
            "      evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=6",
            "    trial ReAnchor evaluate.num_examples=12 trial.best_score=0.8333333333333334 trial.index=7 trial.is_best=True trial.kind=candidate trial.label=self.large: threshold trial.parameter.field=large trial.parameter.predictor=self trial.parameter.threshold=0.16 trial.scope=full trial.score=0.8333333333333334 trial.score.unit=ratio trial.state=complete",
            "      evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=7",
            "    trial ReAnchor evaluate.num_examples=12 trial.best_score=1.0 trial.index=8 trial.is_best=True trial.kind=candidate trial.label=self.large: threshold trial.parameter.field=large trial.parameter.predictor=self trial.parameter.threshold=0.2 trial.scope=full trial.score=1.0 trial.score.unit=ratio trial.state=complete",
            "      evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=8",
            "    trial ReAnchor evaluate.num_examples=12 trial.best_score=1.0 trial.index=9 trial.is_best=False trial.kind=candidate trial.label=self.large: threshold trial.parameter.field=large trial.parameter.predictor=self trial.parameter.threshold=0.34 trial.scope=full trial.score=0.8333333333333334 trial.score.unit=ratio trial.state=complete",
            "      evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=9",
            "    trial ReAnchor evaluate.num_examples=12 trial.best_score=1.0 trial.index=10 trial.is_best=False trial.kind=candidate trial.label=self.large: threshold trial.parameter.field=large trial.parameter.predictor=self trial.parameter.threshold=0.4 trial.scope=full trial.score=0.6666666666666666 trial.score.unit=ratio trial.state=complete",
            "      evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=10",
            "    trial ReAnchor evaluate.num_examples=12 trial.best_score=1.0 trial.index=11 trial.is_best=False trial.kind=candidate trial.label=self.large: threshold trial.parameter.field=large trial.parameter.predictor=self trial.parameter.threshold=0.7 trial.scope=full trial.score=0.5 trial.score.unit=ratio trial.state=complete",
            "      evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=11",
            "  trial ReAnchor evaluate.num_examples=12 trial.best_score=1.0 trial.index=12 trial.is_best=False trial.kind=full_evaluation trial.label=calibrated trial.measure.fold_checks_failed=0.0 trial.measure.fold_checks_passed=1.0 trial.scope=full trial.score=1.0 trial.score.unit=ratio trial.state=complete",
            "    evaluate right evaluate.num_errors=0 evaluate.num_examples=12 trial.index=12",
            "  trial ReAnchor trial.best_score=1.0 trial.index=13 trial.is_best=False trial.kind=full_evaluation trial.label=validation after trial.measure.validation_score=1.0 trial.scope=full trial.state=complete",
            "    evaluate right evaluate.num_errors=0 evaluate.num_examples=3 trial.index=13",
        ]
    )
    report = optimizer.report
    (fitted,) = report["fitted"]
    trials = {
        str(span.attributes["dspy.trial.label"]): span.attributes for span in recorder.named("trial") if span.attributes
    }
    scores = {
        label: round(float(str(trials[label]["dspy.trial.score"])), 4)
        for label in trials
        if "dspy.trial.score" in trials[label]
    }
    assert scores["before"] == report["train_score_before"]
    assert scores["calibrated"] == report["train_score"]
    assert scores["before the next output"] == fitted["train_score_original"]
    assert scores["self.large: start"] == fitted["train_score_at_start"]
    validated = [trials[f"validation {when}"]["dspy.trial.measure.validation_score"] for when in ("before", "after")]
    assert [round(float(str(score)), 4) for score in validated] == [report["val_score_before"], report["val_score"]]
    candidates = [
        (span.attributes["dspy.trial.parameter.threshold"], span.attributes["dspy.trial.score"])
        for span in recorder.named("trial")
        if span.attributes and span.attributes["dspy.trial.kind"] == "candidate"
    ]
    assert len(candidates) == fitted["observed"]["candidates"]
    assert (fitted["value"], fitted["train_score"]) in candidates
    assert program.fields["large"]["threshold"] == fitted["value"]


def test_examples_have_traces_and_scores() -> None:
    """Each example of each pass is an example of its trial, with the score that the metric gave."""
    with recording() as recorder:
        _optimize()
    rows = [json.loads(str((span.attributes or {})["dspy.evaluate.results"])) for span in recorder.named("evaluate")]
    assert {len(found) for found in rows} == {3, 12}
    assert len(recorder.named("example")) == sum(len(found) for found in rows)
    assert {row["score"] for found in rows for row in found} == {0.0, 1.0}


def test_a_metric_that_raises_ends_the_compile_as_without_telemetry() -> None:
    """ReAnchor lets no error pass: the first pass fails, and the compile with it, by DSPy's own exception."""

    def broken(_example: Any, _prediction: Any, _trace: object = None) -> float:
        raise ValueError("the metric is broken")

    with pytest.raises(Exception, match="cancelled due to errors") as plain:
        _optimize(broken)
    with recording() as recorder, pytest.raises(Exception, match="cancelled due to errors") as watched:
        _optimize(broken)
    assert (type(watched.value), str(watched.value)) == (type(plain.value), str(plain.value))
    assert recorder.control("compile", "trial.state", "evaluate.num_errors") == snapshot(
        [
            "compile ReAnchor ERROR(Execution cancelled due to errors or interruption.)",
            "  setup ReAnchor",
            "    dataset train",
            "    dataset validation",
            "  trial ReAnchor trial.state=fail ERROR(Execution cancelled due to errors or interruption.)",
            "    evaluate broken evaluate.num_errors=1 ERROR(Execution cancelled due to errors or interruption.)",
        ]
    )


def test_the_run_tree(tmp_path: Path) -> None:
    """Each pass is a run; the ratio is the scores' unit throughout."""
    _, runs = tracked_runs(tmp_path, _optimize)
    assert runs == snapshot(
        [
            "ReAnchor Predict: FINISHED",
            "  params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, metric=right, num_threads=1, require_cache=False",
            "  tags dspy.compile.best_trial.index=8",
            '  metrics score/best={"0": 0.5, "1": 0.5, "2": 0.5, "3": 0.5, "4": 0.5, "5": 0.5, "6": 0.6666666666666666, "7": 0.8333333333333334, "8": 1.0, "9": 1.0, "10": 1.0, "11": 1.0, "12": 1.0, "13": 1.0, "14": 1.0}, score/full={"0": 0.5, "2": 0.5, "3": 0.5, "4": 0.5, "5": 0.5, "6": 0.6666666666666666, "7": 0.8333333333333334, "8": 1.0, "9": 0.8333333333333334, "10": 0.6666666666666666, "11": 0.5, "12": 1.0}, score/initial=0.5, search/fold_checks_failed=0.0, search/fold_checks_passed=1.0, search/validation_score={"1": 0.6666666666666666, "13": 1.0}, usage/lm_calls={"0": 12.0, "1": 15.0, "2": 27.0, "3": 39.0, "4": 51.0, "5": 63.0, "6": 75.0, "7": 87.0, "8": 99.0, "9": 111.0, "10": 123.0, "11": 135.0, "12": 147.0, "13": 150.0, "14": 150.0}',
            "  artifacts best_model.json, initial_model.json, optimization_summary.json, trainset.json, valset.json",
            "  1 traces",
            "    trial 0: start: FINISHED",
            "      tags dspy.trial.index=0, dspy.trial.is_best=false, dspy.trial.kind=baseline, dspy.trial.label=before, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.5, score/num_examples=12.0, usage/lm_calls=12.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 1: validation before: FINISHED",
            "      tags dspy.trial.index=1, dspy.trial.is_best=false, dspy.trial.kind=full_evaluation, dspy.trial.label=validation before, dspy.trial.scope=full, dspy.trial.state=complete",
            "      metrics search/validation_score=0.6666666666666666, usage/lm_calls=3.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      3 traces",
            "    trial 2: before the next output: FINISHED",
            "      tags dspy.trial.index=2, dspy.trial.is_best=false, dspy.trial.kind=step, dspy.trial.label=before the next output, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.5, score/num_examples=12.0, usage/lm_calls=12.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 3: self.large: observed: FINISHED",
            "      params field=large, predictor=self",
            "      tags dspy.trial.index=3, dspy.trial.is_best=false, dspy.trial.kind=step, dspy.trial.label=self.large: observed, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.5, score/num_examples=12.0, usage/lm_calls=12.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 4: self.large: start: FINISHED",
            "      params field=large, predictor=self",
            "      tags dspy.trial.index=4, dspy.trial.is_best=false, dspy.trial.kind=step, dspy.trial.label=self.large: start, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.5, score/num_examples=12.0, usage/lm_calls=12.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 5: self.large: threshold: FINISHED",
            "      params field=large, predictor=self, threshold=0.03",
            "      tags dspy.trial.index=5, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=self.large: threshold, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.5, score/num_examples=12.0, usage/lm_calls=12.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 6: self.large: threshold: FINISHED",
            "      params field=large, predictor=self, threshold=0.1",
            "      tags dspy.trial.index=6, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=self.large: threshold, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.6666666666666666, score/num_examples=12.0, usage/lm_calls=12.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 7: self.large: threshold: FINISHED",
            "      params field=large, predictor=self, threshold=0.16",
            "      tags dspy.trial.index=7, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=self.large: threshold, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.8333333333333334, score/num_examples=12.0, usage/lm_calls=12.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 8: self.large: threshold: FINISHED",
            "      params field=large, predictor=self, threshold=0.2",
            "      tags dspy.trial.index=8, dspy.trial.is_best=true, dspy.trial.kind=candidate, dspy.trial.label=self.large: threshold, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=1.0, score/num_examples=12.0, usage/lm_calls=12.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 9: self.large: threshold: FINISHED",
            "      params field=large, predictor=self, threshold=0.34",
            "      tags dspy.trial.index=9, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=self.large: threshold, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.8333333333333334, score/num_examples=12.0, usage/lm_calls=12.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 10: self.large: threshold: FINISHED",
            "      params field=large, predictor=self, threshold=0.4",
            "      tags dspy.trial.index=10, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=self.large: threshold, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.6666666666666666, score/num_examples=12.0, usage/lm_calls=12.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 11: self.large: threshold: FINISHED",
            "      params field=large, predictor=self, threshold=0.7",
            "      tags dspy.trial.index=11, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=self.large: threshold, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.5, score/num_examples=12.0, usage/lm_calls=12.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 12: calibrated: FINISHED",
            "      tags dspy.trial.index=12, dspy.trial.is_best=false, dspy.trial.kind=full_evaluation, dspy.trial.label=calibrated, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=1.0, score/num_examples=12.0, search/fold_checks_failed=0.0, search/fold_checks_passed=1.0, usage/lm_calls=12.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      12 traces",
            "    trial 13: validation after: FINISHED",
            "      tags dspy.trial.index=13, dspy.trial.is_best=false, dspy.trial.kind=full_evaluation, dspy.trial.label=validation after, dspy.trial.scope=full, dspy.trial.state=complete",
            "      metrics search/validation_score=1.0, usage/lm_calls=3.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      3 traces",
        ]
    )
