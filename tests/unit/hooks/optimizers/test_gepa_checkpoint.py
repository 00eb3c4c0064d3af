"""GEPA that goes on from a `log_dir`: the record is whole again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inline_snapshot import snapshot

from otel_dspy.programs import snapshot as snapshot_of
from tests.gepa_task import VALSET, optimise
from tests.gepa_trials import attributes, front, trials, validation
from tests.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path


def test_a_checkpoint_is_gone_on_from(tmp_path: Path) -> None:
    """Indices are dense from 0; what GEPA had found before is told first, and where it came from."""
    first = optimise(log_dir=str(tmp_path), max_metric_calls=25)
    with recording(capture_programs=True) as recorder:
        best = optimise(log_dir=str(tmp_path), max_metric_calls=60)
    results = best.detailed_results
    told = trials(recorder)
    assert [trial["index"] for trial in told] == list(range(len(told)))
    restored = [trial for trial in told if trial.get("parameter.restored")]
    assert [trial["label"] for trial in restored] == snapshot(["candidate 1, restored", "candidate 2, restored"])
    assert len(restored) == len(first.detailed_results.candidates) - 1
    pool = [trial for trial in told if "parameter.candidate" in trial]
    assert [trial["score"] for trial in pool] == results.val_aggregate_scores
    assert [validation(trial) for trial in pool] == results.val_subscores
    assert front(pool[-1]) == results.per_val_instance_best_candidates
    assert [trial["dspy.program.id"] for trial in pool] == [snapshot_of(program).id for program in results.candidates]
    assert [trial["parameter.iteration"] for trial in pool[1:3]] == [1, 3]
    assert [trial["measure.metric_calls"] - len(VALSET) for trial in pool[1:]] == results.discovery_eval_counts[1:]
    assert told[-1]["measure.metric_calls"] == results.total_metric_calls
    (compiled,) = recorder.named("compile")
    summary = attributes(compiled)
    assert summary["dspy.compile.resumed.from"] == str(tmp_path)
    assert summary["dspy.compile.best_score"] == max(results.val_aggregate_scores)
    before = summary["dspy.compile.resumed.iteration"]
    fresh = told[len(restored) + 1 :]
    assert [trial["parameter.iteration"] for trial in fresh] == [before + 1 + place for place in range(len(fresh))]
    assert fresh


def test_a_checkpoint_with_nothing_left_to_do(tmp_path: Path) -> None:
    """Its candidates are told although no iteration runs: the best of them is what the compile returns."""
    optimise(log_dir=str(tmp_path), max_metric_calls=25)
    with recording() as recorder:
        best = optimise(log_dir=str(tmp_path), max_metric_calls=25)
    assert [trial["score"] for trial in trials(recorder)] == best.detailed_results.val_aggregate_scores
