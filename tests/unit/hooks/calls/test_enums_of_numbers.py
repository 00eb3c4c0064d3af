"""An output of an Enum with numbers, whose right answers the chat adapter rejects."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import dspy
from inline_snapshot import snapshot

from tests.support.in_process_lm import in_process_lm
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.lm_server import Message


class Stars(enum.Enum):
    """Values as a prompt asks for them."""

    ONE, TWO = 1, 2


class Review(dspy.Signature):
    """Rate the review."""

    review: str = dspy.InputField()
    rating: Stars = dspy.OutputField()


def _two(messages: Sequence[Message]) -> str:
    if "Outputs will be a JSON object" in str(messages[0]["content"]):
        return '{"rating": 2}'
    return "[[ ## rating ## ]]\n2\n\n[[ ## completed ## ]]"


def _rate() -> Any:
    program: Any = dspy.Predict(Review)
    with dspy.context(lm=in_process_lm(_two)):
        return program(review="Fine.").rating


def test_both_calls_are_recorded() -> None:
    """The module's span names the adapter that asked again, and has the call of each."""
    recorder = same_with_and_without(_rate, capture_adapters=True)
    assert recorder.tree("", "error.type", "module.fallback") == snapshot(
        [
            "module Predict module.fallback=JSONAdapter",
            "  adapter format ChatAdapter",
            "  chat scripted",
            "  adapter parse ChatAdapter error.type=dspy.utils.exceptions.AdapterParseError ERROR(ChatAdapter could not parse the model's answer; it should have held: rating)",
            "  adapter format JSONAdapter",
            "  chat scripted",
            "  adapter parse JSONAdapter",
        ]
    )
    tokens = [call["gen_ai.usage.input_tokens"] for call in recorder.attributes_of("chat")]
    assert tokens == [10, 10]
