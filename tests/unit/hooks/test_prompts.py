"""`gen_ai.prompt.name` and `.version`: which predictor made an LM call, and with which instructions."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy.signatures.signature import make_signature

from tests.support.addition_task import addition_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.span_recorder import Recorder


_DIRECT = dspy.ChatAdapter().format(make_signature("question -> answer"), [], {"question": "1+1"})
"""What a program may send to its model without a predictor."""


class Reviewed(dspy.Module):
    """Two predictors, the second of which is part of a ChainOfThought, and a call without a predictor."""

    def __init__(self) -> None:
        super().__init__()
        self.draft: Any = dspy.Predict(make_signature("question -> answer", "Draft an answer."))
        self.review: Any = dspy.ChainOfThought(make_signature("question -> answer", "Review an answer."))

    def forward(self, question: str) -> Any:
        """Answer twice, and ask the model itself."""
        self.draft(question=question)
        cast("Any", dspy.settings).lm(messages=_DIRECT)
        return self.review(question=question)

    async def aforward(self, question: str) -> Any:
        """The same, awaited."""
        await self.draft.acall(question=question)
        await cast("Any", dspy.settings).lm.acall(messages=_DIRECT)
        return await self.review.acall(question=question)


def _version(instructions: str) -> str:
    return hashlib.sha256(instructions.encode()).hexdigest()[:16]


def _prompts(recorder: Recorder) -> list[tuple[Any, Any]]:
    return [
        (found.get("gen_ai.prompt.name"), found.get("gen_ai.prompt.version"))
        for found in (dict(span.attributes or {}) for span in recorder.named("chat"))
    ]


async def _call(program: Any) -> None:
    program(question="1+1")


async def _await(program: Any) -> None:
    await program.acall(question="1+1")


@pytest.mark.parametrize("act", [_call, _await])
async def test_the_predictors_of_a_program(act: Callable[[Any], Any]) -> None:
    """The name is the program's class and the predictor's path; a call outside of predictors has no prompt."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        await act(Reviewed())
    assert _prompts(recorder) == [
        ("Reviewed.draft", _version("Draft an answer.")),
        (None, None),
        ("Reviewed.review.predict", _version("Review an answer.")),
    ]


def test_the_version_is_that_of_the_instructions() -> None:
    """An optimizer's new signature and a changed one are new versions; demos and a copy are not."""
    predictor: Any = dspy.Predict(make_signature("question -> answer", "First.\n    Indented."))
    with dspy.context(lm=addition_lm()), recording() as recorder:
        predictor(question="1+1")
        predictor.demos = [dspy.Example(question="2+2", answer="4")]
        predictor.deepcopy()(question="1+1")
        predictor.signature = predictor.signature.with_instructions("Second.")
        predictor(question="1+1")
        predictor.signature.instructions = "Third."
        predictor(question="1+1")
        predictor(question="1+1", signature=predictor.signature.with_instructions("Fourth."))
    given = ["First.\nIndented.", "First.\nIndented.", "Second.", "Third.", "Fourth."]
    assert _prompts(recorder) == [("Predict", _version(text)) for text in given]


def test_instructions_that_are_no_unicode() -> None:
    """DSPy rejects half a surrogate pair; the span of the failed call has a version all the same."""
    predictor: Any = dspy.Predict("question -> answer")
    predictor.signature.instructions = "Broken \ud83d"
    with dspy.context(lm=addition_lm()), recording() as recorder, pytest.raises(ValueError, match="valid Unicode"):
        predictor(question="1+1")
    ((name, version),) = _prompts(recorder)
    assert (name, len(version)) == ("Predict", 16)
