"""A program that answers with values that JSON cannot represent."""

from __future__ import annotations

import threading
from typing import Any

import dspy


class Odd:
    """No data: raises when it is inspected."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __repr__(self) -> str:
        """Not even a text."""
        raise TypeError("look away")

    __str__ = __repr__


class Answering(dspy.Module):
    """Answers with values that JSON cannot represent."""

    def forward(self, question: str) -> dspy.Prediction:
        """A generator, a cycle, a class, bytes, not a number, half a character, and the answer."""
        circle: list[Any] = [question]
        circle.append(circle)
        return dspy.Prediction(
            answer=str(sum(int(term) for term in question.split("+"))),
            stream=(term for term in question),
            circle=circle,
            kind=Odd,
            odd=Odd(),
            number=float("nan"),
            raw=b"\xff\x00",
            text="\ud800",
        )
