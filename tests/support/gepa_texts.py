"""A task for `gepa.optimize` without DSPy and without a network: a text that names the digits that it knows.

`a1` is answered if the text has the digit 1. The reflection function proposes scripted texts, in order.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

import gepa
from gepa.core.adapter import EvaluationBatch, GEPAAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SEED = {"system": "Knows 0."}
PROPOSALS = ("Knows 1 2.", "Knows 1 2.", "Knows 9.")


def questions(*names: str) -> list[dict[str, Any]]:
    """Data instances of gepa's default adapter: the digit of the name is the answer."""
    return [{"input": name, "answer": name[1:], "additional_context": {}} for name in names]


TRAINSET = questions("a0", "b0", "a1", "b1", "a2", "b2")
VALSET = questions("a0", "a1", "a2", "b0", "b1", "b2")


def answer(messages: Sequence[Mapping[str, str]]) -> str:
    """The model of the task."""
    digit = messages[1]["content"][1:]
    return digit if digit in messages[0]["content"].rpartition("Knows")[2] else "no idea"


def reflecting(proposals: Sequence[str] = PROPOSALS) -> Callable[[Any], str]:
    """The reflection model: proposes these texts, over and over."""
    waiting = itertools.cycle(proposals)

    def reflect(prompt: Any) -> str:
        del prompt
        return f"```\n{next(waiting)}\n```"

    return reflect


class Digits(GEPAAdapter[Any, Any, Any]):
    """An adapter of the user's own, with two objectives; it raises `error` at its `at`-th evaluation."""

    def __init__(self, *, at: int = 0, error: BaseException | None = None) -> None:
        self._evaluations = itertools.count(1)
        self._at, self._error = at, error

    def evaluate(
        self,
        batch: list[Any],
        candidate: dict[str, str],
        capture_traces: bool = False,  # noqa: FBT001, FBT002 - gepa's
    ) -> EvaluationBatch[Any, Any]:
        """Answers and scores."""
        if next(self._evaluations) == self._at and self._error is not None:
            raise self._error
        answers = [answer([{"content": candidate["system"]}, {"content": one["input"]}]) for one in batch]
        scores = [float(found == one["answer"]) for found, one in zip(answers, batch, strict=True)]
        return EvaluationBatch(
            outputs=answers,
            scores=scores,
            trajectories=list(answers) if capture_traces else None,
            objective_scores=[{"right": score, "short": float(len(answers[0]) < 2)} for score in scores],
        )

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: Any, components_to_update: list[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """One record an answer."""
        del candidate
        records = [{"Generated Outputs": output} for output in eval_batch.outputs]
        return dict.fromkeys(components_to_update, records)


def optimize_texts(function: Callable[..., Any] | None = None, **settings: Any) -> Any:
    """Run `gepa.optimize`, or `function` in its place, on the task.

    As it stands: a candidate that is accepted, three that are rejected, and a minibatch without a fault.
    """
    given: dict[str, Any] = {
        "seed_candidate": dict(SEED),
        "trainset": TRAINSET,
        "valset": VALSET,
        "reflection_lm": reflecting(),
        "reflection_minibatch_size": 2,
        "max_metric_calls": 30,
        "seed": 5,
        "logger": Quiet(),
        **({} if "adapter" in settings else {"task_lm": answer}),
    }
    return (function or cast("Any", gepa).optimize)(**{**given, **settings})


class Quiet:
    """A logger of gepa's that prints nothing."""

    def log(self, message: str) -> None:
        """Drop it."""
