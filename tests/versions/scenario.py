"""What every version of DSPy is asked to do: sums, over HTTP, so that its own client and cache are in the way.

Nothing here may need what the oldest DSPy lacks.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dspy

from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import Reply, scripted_lm

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from tests.support.lm_server import LMServer, Message, Script


class Sums(dspy.Module):
    """A program of one step."""

    def __init__(self) -> None:
        super().__init__()
        self.add: Any = dspy.Predict("question -> answer")

    def forward(self, question: str) -> Any:
        """Answer."""
        return self.add(question=question)

    async def aforward(self, question: str) -> Any:
        """Answer."""
        return await self.add.acall(question=question)


def examples(count: int) -> list[dspy.Example]:
    """`0+1`, `1+1`, `2+1`, … with their sums."""
    return [
        dspy.Example(question=f"{number}+1", answer=str(number + 1)).with_inputs("question") for number in range(count)
    ]


def exact(example: Any, prediction: Any, trace: object = None) -> bool:
    """Whether the answer is the sum."""
    del trace
    return bool(example.answer == prediction.answer)


def even_sums(inputs: Mapping[str, str]) -> str:
    """The sum, if it is even; else `wrong`."""
    total = sum(int(term) for term in inputs["question"].split("+"))
    return str(total) if total % 2 == 0 else "wrong"


@contextmanager
def served(seconds: float = 0.0) -> Generator[tuple[LMServer, dspy.LM]]:
    """A server that is right on even sums, 10 tokens in and 5 out, and an uncached model that asks it.

    It takes so many seconds to answer.
    """
    with scripted_lm(_counted(dspy_script({"answer": even_sums}), seconds)) as server:
        yield server, model(server)


def model(server: LMServer, **kwargs: Any) -> dspy.LM:
    """A model that asks the server."""
    settings: dict[str, Any] = {"cache": False, "num_retries": 0, **kwargs}
    return dspy.LM("openai/scripted", api_base=server.api_base, api_key="sk-planted", **settings)


def _counted(script: Any, seconds: float) -> Script:
    def answer(messages: Any) -> Reply:
        time.sleep(seconds)
        asked: list[Message] = list(messages)
        return Reply(str(script(asked)), input_tokens=10, output_tokens=5)

    return answer


def feedback(*given: Any) -> Any:
    """The same, with a text, as GEPA wants it."""
    score = float(exact(given[0], given[1]))
    return dspy.Prediction(score=score, feedback=f"The score is {score}.")


def numbers(texts: list[str]) -> list[list[float]]:
    """An embedding: the first term."""
    return [[float(text.partition("+")[0][-1]), 1.0] for text in texts]
