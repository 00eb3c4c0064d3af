"""A task for GEPA without a network: two predictors, each of which knows the digits that its instruction names.

The predictor `left` gets `a1`, and `right` gets `b1`; each is right if its instruction has the digit. The reflection
model proposes scripted instructions, in order.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import dspy

from tests.support.dspy_answers import dspy_script, input_fields, output_fields
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.lm_server import Message

PROPOSALS = ("Knows 1 2.", "Knows 1 2.", "Knows 9.")


class Question(dspy.Signature):
    """Knows 0."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Pair(dspy.Module):
    """Asks one of its two predictors."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = dspy.Predict(Question), dspy.Predict(Question)

    def forward(self, question: str) -> Any:
        """The answer."""
        return (self.left if question.startswith("a") else self.right)(question=question)


def questions(*names: str) -> list[dspy.Example]:
    """Examples by name: the question is the name, its digit the answer."""
    return [dspy.Example(question=name, answer=name[1:]).with_inputs("question") for name in names]


TRAINSET = questions("a0", "b0", "a1", "b1", "a2", "b2")
VALSET = questions("a0", "a1", "a2", "b0", "b1", "b2")


def graded(
    gold: Any, pred: Any, trace: object = None, pred_name: str | None = None, pred_trace: object = None
) -> dspy.Prediction:
    """1.0 or 0.0, with feedback."""
    del trace, pred_trace
    right = gold["answer"] == pred["answer"]
    return dspy.Prediction(score=float(right), feedback=f"{pred_name}: {'right' if right else 'wrong'}")


def task_lm(**kwargs: Any) -> dspy.LM:
    """The model of the program: knows the digits of the instruction."""
    return in_process_lm(_answer, **kwargs)


def reflection_lm(proposals: Iterable[str] = PROPOSALS) -> dspy.LM:
    """The model that proposes these instructions, over and over."""
    waiting = itertools.cycle(proposals)
    return in_process_lm(dspy_script({"new_instruction": lambda _: next(waiting)}), model="openai/reflecting")


def _answer(messages: Sequence[Message]) -> str:
    instruction = str(messages[0]["content"]).rpartition("Knows")[2]
    digit = input_fields(messages)["question"][1:]
    assert output_fields(messages) == ["answer"]
    return f"[[ ## answer ## ]]\n{digit if digit in instruction else 'no idea'}\n\n[[ ## completed ## ]]"


class Interrupted:
    """A metric that raises at its `at`-th call."""

    def __init__(self, at: int, error: BaseException, function: Any) -> None:
        self._at = at
        self._calls = itertools.count(1)
        self._error = error
        self._function = function

    def __call__(
        self, gold: Any, pred: Any, trace: object = None, pred_name: str | None = None, pred_trace: object = None
    ) -> Any:
        """Grade, or raise."""
        if next(self._calls) == self._at:
            raise self._error
        return self._function(gold, pred, trace, pred_name, pred_trace)


def optimize(student: dspy.Module | None = None, **settings: Any) -> Any:
    """Run GEPA on the task; gives the program with its `detailed_results`.

    As it stands the run has every kind of iteration: two candidates from the seed, their merge, rejected proposals, a
    minibatch without a fault and one that the chosen predictor had no part in.
    """
    given: dict[str, Any] = {
        "metric": graded,
        "reflection_lm": reflection_lm(),
        "reflection_minibatch_size": 2,
        "max_metric_calls": 46,
        "num_threads": 1,
        "track_stats": True,
        "seed": 5,
    }
    optimizer = dspy.GEPA(**{**given, **settings})
    with dspy.context(lm=task_lm()):
        return optimizer.compile(student or Pair(), trainset=TRAINSET, valset=VALSET)
