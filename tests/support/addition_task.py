"""A small task for tests, addition: examples, metrics, and a language model that is right on even sums only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import dspy

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Mapping


def examples(count: int) -> list[dspy.Example]:
    """`0+1`, `1+1`, `2+1`, … with their sums."""
    return [
        dspy.Example(question=f"{number}+1", answer=str(number + 1)).with_inputs("question") for number in range(count)
    ]


def exact(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> bool:
    """Whether the answer is the sum."""
    del trace
    return str(cast("Any", example)["answer"]) == str(cast("Any", prediction)["answer"])


def half_right(inputs: Mapping[str, str]) -> str:
    """The sum, if it is even; else `wrong`."""
    total = sum(int(term) for term in inputs["question"].split("+"))
    return str(total) if total % 2 == 0 else "wrong"


def addition_lm(**kwargs: Any) -> dspy.LM:
    """A model that is right on even sums; its proposals are distinct texts."""
    return in_process_lm(dspy_script({"answer": half_right}), **kwargs)


def raising_metric(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> float:
    """Fails on the first sum."""
    if example["question"] == "0+1":
        raise ValueError("the metric is broken")
    return exact(example, prediction, trace)
