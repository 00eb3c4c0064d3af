"""GEPA that goes on from a `log_dir`: the record is whole again."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from inline_snapshot import snapshot

from otel_dspy.serialization.programs import snapshot as snapshot_of
from tests.support.gepa_task import TRAINSET, VALSET, Pair, graded, optimize, questions, reflection_lm, task_lm
from tests.support.gepa_trials import attributes, front, trials, validation
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def test_a_checkpoint_is_gone_on_from(tmp_path: Path) -> None:
    """Indices are dense from 0; what GEPA had found before is recorded first, with its origin."""
    first = optimize(log_dir=str(tmp_path), max_metric_calls=25)
    with recording(capture_programs=True) as recorder:
        best = optimize(log_dir=str(tmp_path), max_metric_calls=60)
    results = best.detailed_results
    recorded = trials(recorder)
    assert [trial["index"] for trial in recorded] == list(range(len(recorded)))
    restored = [trial for trial in recorded if trial.get("parameter.restored")]
    assert [trial["label"] for trial in restored] == snapshot(
        ["seed, restored", "candidate 1, restored", "candidate 2, restored"]
    )
    assert len(restored) == len(first.detailed_results.candidates)
    assert [trial["dspy.evaluate.num_examples"] for trial in restored] == [len(VALSET)] * len(restored)
    pool = [trial for trial in recorded if "parameter.candidate" in trial]
    assert [trial["score"] for trial in pool] == results.val_aggregate_scores
    assert [validation(trial) for trial in pool] == results.val_subscores
    assert front(pool[-1]) == results.per_val_instance_best_candidates
    assert [trial["dspy.program.id"] for trial in pool] == [snapshot_of(program).id for program in results.candidates]
    assert [trial["parameter.iteration"] for trial in pool[1:3]] == [1, 3]
    assert [trial["measure.metric_calls"] - len(VALSET) for trial in pool[1:]] == results.discovery_eval_counts[1:]
    assert recorded[-1]["measure.metric_calls"] == results.total_metric_calls
    (compiled,) = recorder.named("compile")
    summary = attributes(compiled)
    assert summary["dspy.compile.resumed.from"] == str(tmp_path)
    assert summary["dspy.compile.best_score"] == max(results.val_aggregate_scores)
    before = summary["dspy.compile.resumed.iteration"]
    assert "dspy.compile.resumed.differences" not in summary
    fresh = recorded[len(restored) :]
    assert [trial["parameter.iteration"] for trial in fresh] == [before + 1 + place for place in range(len(fresh))]
    assert fresh


def test_a_checkpoint_with_nothing_left_to_do(tmp_path: Path) -> None:
    """Its candidates are recorded although no iteration runs: the best of them is what the compile returns."""
    optimize(log_dir=str(tmp_path), max_metric_calls=25)
    with recording() as recorder:
        best = optimize(log_dir=str(tmp_path), max_metric_calls=25)
    assert [trial["score"] for trial in trials(recorder)] == best.detailed_results.val_aggregate_scores


def _resume(folder: Path, student: dspy.Module, valset: Sequence[dspy.Example]) -> Any:
    optimizer = dspy.GEPA(
        graded, reflection_lm=reflection_lm(), reflection_minibatch_size=2, max_metric_calls=25, num_threads=1, seed=5,
        track_stats=True, log_dir=str(folder),
    )  # fmt: skip
    with dspy.context(lm=task_lm()):
        return optimizer.compile(student, trainset=TRAINSET, valset=list(valset))


def _other() -> Pair:
    student = Pair()
    signature: Any = student.left.signature
    student.left.signature = signature.with_instructions("Knows 1 2 0.")
    return student


@pytest.mark.parametrize(
    ("student", "valset", "differences"),
    [
        (_other(), VALSET, ["text of left"]),
        (Pair(), VALSET[:4], ["4 validation examples instead of 6"]),
        (Pair(), questions("a0", "a0", "a0", "b0", "b0", "b0"), ["score of the seed on 4 of 6 validation examples"]),
        (_other(), VALSET[:4], ["text of left", "4 validation examples instead of 6"]),
        (Pair(), VALSET, None),
    ],
    ids=["another student", "fewer examples", "other examples", "both", "the same"],
)
def test_a_checkpoint_that_was_written_with_other_inputs(
    student: Pair,
    valset: Sequence[dspy.Example],
    differences: list[str] | None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Trial 0 is gepa's stored seed with its stored scores; what was evaluated anew is a phase's, and none of its trials'."""
    first = optimize(log_dir=str(tmp_path), max_metric_calls=25).detailed_results
    with recording(capture_programs=True) as recorder, caplog.at_level(logging.WARNING, "otel_dspy"):
        best = _resume(tmp_path, student, valset)
    recorded = trials(recorder)
    seed = recorded[0]
    assert (seed["label"], seed["kind"], seed["parameter.restored"]) == ("seed, restored", "baseline", True)
    assert seed["score"] == first.val_aggregate_scores[0]
    assert validation(seed) == first.val_subscores[0]
    assert seed["dspy.program.id"] == snapshot_of(best.detailed_results.candidates[0]).id
    (fresh,) = recorder.attributes_of("evaluate")[:1]
    assert (fresh["phase.name"], fresh["evaluate.num_examples"]) == ("resume", len(valset))
    assert "trial.index" not in fresh
    assert fresh["program.id"] == snapshot_of(student).id
    assert len(json.loads(fresh["evaluate.results"])) == len(valset)
    (compiled,) = recorder.attributes_of("compile")
    assert compiled.get("compile.resumed.differences", ()) == tuple(differences or ())
    assert compiled["compile.initial_score"] == first.val_aggregate_scores[0]
    warned = [record.getMessage() for record in caplog.records if record.name.startswith("otel_dspy")]
    assert len(warned) == (0 if differences is None else 1)
    assert all("; ".join(differences or ()) in line and str(tmp_path) in line for line in warned)
