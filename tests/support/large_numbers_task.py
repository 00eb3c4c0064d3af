"""A small task for tests of decisions: whether a number is large, by a model that is sure too late."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, cast

import dspy
from dspy.experimental import Noul

from tests.support.dspy_answers import input_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.lm_server import Message


class IsLarge(dspy.Signature):
    """Say whether the number is large."""

    number: str = dspy.InputField()
    large: Annotated[bool, Noul] = dspy.OutputField(desc="whether it is large")


def probably(messages: Sequence[Message]) -> str:
    """P(large) grows with the number, and reaches a half too late: at 8."""
    number = int(input_fields(messages)["number"])
    probability = number / 16
    evidence = {"noul": probability} if "noul" in str(messages[0]) else {"value": probability >= 0.5, "confidence": 0.5}
    return f"[[ ## large ## ]]\n{json.dumps(evidence)}\n\n[[ ## completed ## ]]\n"


def numbers(*of: int) -> list[dspy.Example]:
    """An example for each; large are those from 4 on."""
    return [dspy.Example(number=str(number), large=number >= 4).with_inputs("number") for number in of]


def right(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> float:
    """Whether the decision is right."""
    del trace
    return float(bool(cast("Any", prediction)["large"]) == cast("Any", example)["large"])
