"""The model that Refine asks for its advice."""

from __future__ import annotations

from typing import Any

import dspy
from inline_snapshot import snapshot

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.with_and_without import same_with_and_without


def _digits(_given: Any, prediction: Any) -> float:
    return float(prediction.answer.isdigit())


def _run(configured: dspy.LM | None) -> Any:
    program: Any = dspy.Refine(dspy.Predict("question -> answer"), N=2, reward_fn=_digits, threshold=1.0)
    program.set_lm(in_process_lm(dspy_script({"answer": lambda _: "four"}), model="openai/own"))
    with dspy.context(lm=configured):
        return program(question="2+2?")


def test_the_configured_model_gives_the_advice() -> None:
    """The span of the call has the model that was asked, which is not the program's."""
    advice = in_process_lm(dspy_script({"advice": lambda _: '{"self": "add"}'}), model="openai/configured")
    assert same_with_and_without(lambda: _run(advice)).tree("", "attempt") == snapshot(
        [
            "module Refine",
            "  attempt Refine attempt.index=0 attempt.reward=0.0",
            "    module Predict",
            "      chat own",
            "    module Predict",
            "      chat configured",
            "  attempt Refine attempt.index=1 attempt.reward=0.0",
            "    module Predict",
            "      chat own",
        ]
    )


def test_without_a_configured_model_the_advice_fails() -> None:
    """The call for the advice has the error."""
    assert same_with_and_without(lambda: _run(None)).tree("", "attempt", "error.type") == snapshot(
        [
            "module Refine",
            "  attempt Refine attempt.index=0 attempt.reward=0.0",
            "    module Predict",
            "      chat own",
            "    module Predict error.type=ValueError ERROR(No LM is loaded. Please configure the LM using `dspy.configure(lm=dspy.LM(...))`. e.g, `dspy.configure(lm=dspy.LM('openai/gpt-4o-mini'))`)",
            "  attempt Refine attempt.index=1 attempt.reward=0.0",
            "    module Predict",
            "      chat own",
        ]
    )
