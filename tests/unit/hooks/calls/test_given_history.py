"""An agent that writes into the conversation that it is given."""

from __future__ import annotations

import json
from typing import Any, cast

import dspy
from dspy.predict import react_v2

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording


def _submitted(inputs: Any) -> str:
    del inputs
    return json.dumps({"tool_calls": [{"name": "submit", "args": {"answer": "3"}}]})


def _right(gold: Any, prediction: Any) -> bool:
    return gold.answer == prediction.answer


def test_each_run_has_the_inputs_that_it_had() -> None:
    """ReActV2 appends its turn to the example's history: recorded inputs and ids of the second evaluation are others."""
    program = cast("Any", react_v2).ReActV2("question -> answer", tools=[])
    history = dspy.History(messages=[])
    example = dspy.Example(question="1+2", history=history, answer="3").with_inputs("question", "history")
    evaluation: Any = dspy.Evaluate(devset=[example], metric=_right, num_threads=1)
    lm = in_process_lm(dspy_script({"next_thought": lambda _: "Known.", "tool_calls": _submitted}))
    with dspy.context(lm=lm), recording(capture_content=True) as recorder:
        assert [evaluation(program).score for _ in range(2)] == [100.0, 100.0]
    assert len(history.messages) == 2
    evaluations = recorder.attributes_of("evaluate")
    (first,), (second,) = (json.loads(run["evaluate.results"]) for run in evaluations)
    assert first["inputs"] == {"question": "1+2", "history": {"messages": []}}
    assert [turn["answer"] for turn in second["inputs"]["history"]["messages"]] == ["3"]
    assert first["id"] != second["id"]
    assert evaluations[0]["dataset.id"] != evaluations[1]["dataset.id"]
