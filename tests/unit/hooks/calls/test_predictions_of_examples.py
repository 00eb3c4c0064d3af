"""Predictions that a program makes of an example."""

from __future__ import annotations

import json
from typing import Any

import dspy
import pytest

from tests.support.span_recorder import recording

EXAMPLE = dspy.Example(question="2+2?", answer="four").with_inputs("question")


class Oracle(dspy.Module):
    """Returns the label."""

    def __init__(self, *, keywords: bool) -> None:
        super().__init__()
        self.keywords = keywords

    def forward(self, question: str) -> Any:
        """The right answer, in one of two ways."""
        del question
        labels: Any = EXAMPLE.labels()
        return dspy.Prediction(**labels) if self.keywords else dspy.Prediction(labels)


@pytest.mark.parametrize("keywords", [False, True])
def test_the_empty_prediction_is_recorded(*, keywords: bool) -> None:
    """DSPy copies no field of an example into a prediction: the output of such a program has none."""
    program: Any = Oracle(keywords=keywords)
    with recording(capture_content=True) as recorder:
        program(question="2+2?")
    (module,) = recorder.attributes_of("module Oracle")
    assert json.loads(module["module.output"]) == ({"answer": "four"} if keywords else {})
