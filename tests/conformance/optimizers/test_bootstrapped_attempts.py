"""BootstrapFewShot and a step inside BestOfN or Refine: attempts that become no demos."""

from __future__ import annotations

import json
from typing import Any

import dspy
import pytest

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording


class _Program(dspy.Module):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.step = kind(dspy.Predict("question -> answer"), N=2, reward_fn=_any_answer, threshold=1.0)

    def forward(self, question: str) -> Any:
        """The answer of an attempt."""
        return self.step(question=question)


def _any_answer(_given: Any, _prediction: Any) -> float:
    return 1.0


@pytest.mark.parametrize("kind", [dspy.BestOfN, dspy.Refine])
def test_attempts_of_a_copy_become_no_demos(kind: Any) -> None:
    """The attempts are accepted, as DSPy counts them; the demos are those of the program that is returned: none."""
    program = _Program(kind)
    program.set_lm(addition_lm())
    with dspy.context(lm=addition_lm()), recording(capture_programs=True, capture_content=True) as recorder:
        optimizer: Any = dspy.BootstrapFewShot(exact, max_bootstrapped_demos=2, max_labeled_demos=0)
        compiled = optimizer.compile(program, trainset=examples(4))
    (evaluation,) = recorder.attributes_of("evaluate")
    rows = json.loads(evaluation["evaluate.results"])
    assert [row["accepted"] for row in rows] == [False, True, False, True]  # the model knows the even sums
    (select,) = (phase for phase in recorder.attributes_of("phase") if phase["phase.name"] == "select")
    assert select["phase.demos"] == '{"step.module":[[]]}'
    assert [predictor.demos for predictor in compiled.predictors()] == [[]]
