"""A program that is source code: a `dspy.Flex` which knows the digits that its code names."""

from __future__ import annotations

from typing import Any

import dspy

_SOURCE = """
class Answers(dspy.Module):
    def forward(self, question):
        return dspy.Prediction(answer=question[1:] if question[1:] in '{digits}' else 'no idea')
"""


def source(digits: str) -> str:
    """The code that knows these digits."""
    return _SOURCE.format(digits=digits)


class Coded(dspy.Module):
    """Knows 0 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.flex = dspy.Flex("question -> answer", interpreter_factory=dspy.LocalInterpreter)
        self.flex.load_state({"module_src": source("0")})

    def forward(self, question: str) -> Any:
        """The answer."""
        return self.flex(question=question)
