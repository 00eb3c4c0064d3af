"""GEPA and a program whose steps have one signature: the reflection on one step is about calls of another."""

from __future__ import annotations

import json
from typing import Any

import dspy

from tests.support.dspy_answers import dspy_script
from tests.support.gepa_task import reflection_lm
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording


class Hops(dspy.Module):
    """Two steps of one signature, the second of which gets what the first has found."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = dspy.Predict("context -> query"), dspy.Predict("context -> query")

    def forward(self, question: str) -> Any:
        """The second query."""
        first: Any = self.first(context=question)
        return self.second(context=f"found by {first.query}")


def _wrong(
    gold: Any, pred: Any, trace: object = None, pred_name: str | None = None, pred_trace: object = None
) -> dspy.Prediction:
    del gold, pred, trace, pred_trace
    return dspy.Prediction(score=0.0, feedback=f"feedback for {pred_name}")


def test_the_prompt_of_the_reflection_is_recorded_with_the_calls_in_it() -> None:
    """The first step's reflection has feedback for the first step about calls that only the second one makes."""
    examples = [dspy.Example(question=f"question {number}").with_inputs("question") for number in range(3)]
    optimizer = dspy.GEPA(_wrong, reflection_lm=reflection_lm(), max_metric_calls=30, num_threads=1)
    lm = in_process_lm(dspy_script({"query": lambda _: "a query"}))
    with dspy.context(lm=lm), recording(capture_content=True) as recorder:
        optimizer.compile(Hops(), trainset=examples, valset=examples)
    asked = [
        json.dumps(json.loads(call["gen_ai.input.messages"])) for call in recorder.attributes_of("chat reflecting")
    ]
    assert [prompt for prompt in asked if "feedback for first" in prompt and "found by" in prompt]
    assert [prompt for prompt in asked if "feedback for second" in prompt and "question 1" in prompt]
