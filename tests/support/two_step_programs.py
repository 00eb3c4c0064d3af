"""Programs of two steps, for tests of span parents."""

from __future__ import annotations

from typing import Any

import dspy


class Thinking(dspy.Module):
    """Two predictors in a row, sync and async."""

    def __init__(self) -> None:
        super().__init__()
        self.draft = dspy.Predict("question -> answer")
        self.final = dspy.ChainOfThought("question -> answer")

    def forward(self, question: str) -> Any:
        """Answer twice, the second time for good."""
        self.draft(question=question)
        return self.final(question=question)

    async def aforward(self, question: str) -> Any:
        """The same, awaited."""
        await self.draft.acall(question=question)
        return await self.final.acall(question=question)


class Twice(dspy.Module):
    """Two predictors that share a model."""

    def __init__(self) -> None:
        super().__init__()
        self.first = dspy.Predict("question -> answer")
        self.second = dspy.Predict("question, hint -> answer")

    def forward(self, question: str) -> Any:
        """Answer, with the first answer as a hint."""
        first: Any = self.first(question=question)
        return self.second(question=question, hint=first.answer)


class Searching(dspy.Module):
    """A step whose output is in no example, and one that answers."""

    def __init__(self) -> None:
        super().__init__()
        self.write_query = dspy.Predict("question -> query")
        self.answer = dspy.Predict("question, query -> answer")

    def forward(self, question: str) -> Any:
        """Answer with a query for the question."""
        written: Any = self.write_query(question=question)
        return self.answer(question=question, query=written.query)
