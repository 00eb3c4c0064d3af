"""Language models whose `__call__` or `acall` is no plain function: each call has a span, as that of a static method has."""

from __future__ import annotations

import asyncio
import functools
from typing import Any, cast

import dspy
import pytest

from tests.support.span_recorder import recording

ANSWER = ['{"answer": "2"}']


class ByTheClass(dspy.BaseLM):
    """Class methods, which get no instance: the model is unknown."""

    @classmethod
    def __call__(cls, *_args: Any, **_kwargs: Any) -> list[str]:
        """Answer."""
        return ANSWER

    @classmethod
    async def acall(cls, *_args: Any, **_kwargs: Any) -> list[str]:
        """Answer."""
        await asyncio.sleep(0)
        return ANSWER


class Partial(dspy.BaseLM):
    """Partial methods, which get an instance."""

    def _answer(self, answer: list[str], *_args: Any, **_kwargs: Any) -> list[str]:
        assert self.model == "m"
        return answer

    async def _answer_later(self, answer: list[str], *_args: Any, **_kwargs: Any) -> list[str]:
        await asyncio.sleep(0)
        return self._answer(answer)

    __call__ = cast("Any", functools.partialmethod(_answer, ANSWER))
    acall = cast("Any", functools.partialmethod(_answer_later, ANSWER))


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("lm", "name"), [(ByTheClass, "chat"), (Partial, "chat m")])
def test_a_method_that_is_no_function(lm: type[Any], name: str, *, is_async: bool) -> None:
    """One span, with the answer, that ends after it."""
    program = dspy.Predict("question -> answer")
    with dspy.context(lm=lm(model="m"), adapter=dspy.JSONAdapter()), recording(capture_content=True) as recorder:
        answer = asyncio.run(program.acall(question="q")) if is_async else program(question="q")
    assert answer.answer == "2"
    (span,) = recorder.named("chat")
    assert span.name == name
    assert "2" in str(dict(span.attributes or {})["gen_ai.output.messages"])


def test_they_are_restored() -> None:
    """As all others are."""
    before = [vars(lm)[name] for lm in (ByTheClass, Partial) for name in ("__call__", "acall")]
    with recording():
        pass
    assert [vars(lm)[name] for lm in (ByTheClass, Partial) for name in ("__call__", "acall")] == before
