"""gepa's adapter for whole DSPy programs: what it makes of a block of Python, and of a program that raises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import dspy
import gepa
from gepa.adapters.dspy_full_program_adapter.full_program_adapter import DspyAdapter
from typing_extensions import override

from tests.support.addition_task import addition_lm, examples
from tests.support.gepa_texts import Digits, Quiet, optimize_texts
from tests.support.gepa_trials import trials
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    import pytest
    from gepa.core.adapter import EvaluationBatch

    from tests.support.span_recorder import Recorder

_PROGRAM = """
import dspy


class Adding(dspy.Module):
    def __init__(self):
        super().__init__()
        self.add = dspy.Predict("question -> answer")

    def forward(self, question):
        answer = self.add(question=question).answer
        return dspy.Prediction(answer=str(NUMBER))


program = Adding()
"""


def _graded(example: Any, prediction: Any, trace: object = None) -> dspy.Prediction:
    del trace
    return dspy.Prediction(score=float(prediction.answer == example["answer"]), feedback="")


def _optimize(number: str, proposal: str = "") -> Recorder:
    lm, trainset = addition_lm(), examples(2)

    def reflect(prompt: object) -> str:
        del prompt
        return proposal

    adapter = cast("Any", DspyAdapter)(task_lm=lm, metric_fn=_graded, reflection_lm=reflect, num_threads=1)
    with dspy.context(lm=lm), recording(capture_programs=True) as recorder:
        cast("Any", gepa).optimize(
            seed_candidate={"program": _PROGRAM.replace("NUMBER", number)}, trainset=trainset, valset=trainset,
            adapter=adapter, reflection_minibatch_size=2, max_metric_calls=6, skip_perfect_score=True, logger=Quiet(),
        )  # fmt: skip
    return recorder


def test_the_language_of_a_block_is_recorded_as_the_first_line_of_the_program() -> None:
    """The rejected trial has the text that gepa ran."""
    recorder = _optimize("answer", f"```python{_PROGRAM.replace('NUMBER', '1')}```")
    rejected = trials(recorder)[1]
    assert rejected["state"] == "rejected"
    assert rejected["candidate"]["program"]["after"].splitlines()[0] == "python"
    assert rejected["measure.minibatch_after"] == 0.0


def test_the_example_that_raised_is_recorded_where_the_minibatch_counts_as_perfect() -> None:
    """The trial has gepa's reason, and the evaluation of its minibatch the error of the example."""
    recorder = _optimize("int(answer)")
    (pruned,) = {(trial["state"], trial.get("reason")) for trial in trials(recorder)[1:]}
    assert pruned == ("pruned", "all_scores_perfect")
    evaluations = [json.loads(one["evaluate.results"]) for one in recorder.attributes_of("evaluate")]
    failed = [[row for row in rows if "error" in row] for rows in evaluations]
    assert [len(rows) for rows in failed] == [1] * len(evaluations)


class _LeavesOut(Digits):
    """Leaves the first example of each minibatch out."""

    @override
    def evaluate(
        self,
        batch: list[Any],
        candidate: dict[str, str],
        capture_traces: bool = False,
    ) -> EvaluationBatch[Any, Any]:
        return super().evaluate(batch[1:] if len(batch) == 2 else batch, candidate, capture_traces)


def test_no_score_is_recorded_for_another_example(caplog: pytest.LogCaptureFixture) -> None:
    """Of an adapter with fewer scores than examples no example has one; the trial has the mean that gepa compares."""
    with recording() as recorder:
        optimize_texts(adapter=_LeavesOut(), max_metric_calls=12)
    parents = [one for one in recorder.attributes_of("evaluate") if one.get("evaluate.role") == "parent"]
    assert parents
    assert not any("score" in row for one in parents for row in json.loads(one["evaluate.results"]))
    assert all("measure.minibatch_before" in trial for trial in trials(recorder)[1:])
    assert "failed and was skipped" not in caplog.text
