"""Datasets that are no lists: what DSPy does with them it does with us, and the record stays whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import pytest

from tests.behavior.model import model
from tests.support.optimizers import Rounds
from tests.support.sums import exact, examples
from tests.support.with_and_without import outcome, same_with_and_without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Uncountable(list[Any]):
    """Raises when it is counted."""

    def __len__(self) -> int:
        """Raise."""
        raise ConnectionError("the table is away")


class Unreadable(list[Any]):
    """Raises when it is gone through."""

    def __iter__(self) -> Iterator[Any]:
        """Raise."""
        raise ConnectionError("the table is away")


class Lazy:
    """Makes an example each time that it is asked for, as a dataset on disk does."""

    def __len__(self) -> int:
        """Three."""
        return 3

    def __getitem__(self, index: Any) -> Any:
        """One, or some."""
        every: Any = examples(3)
        return every[index]


DATASETS: Final[Mapping[str, Callable[[], Any]]] = {
    "uncountable": lambda: Uncountable(examples(3)),
    "unreadable": lambda: Unreadable(examples(3)),
    "lazy": Lazy,
    "generator": lambda: (example for example in examples(3)),
    "tuple": lambda: tuple(examples(3)),
    "dict": lambda: {str(number): example for number, example in enumerate(examples(3))},
    "None": lambda: None,
    "empty": list,
    "no examples": lambda: [None, 3, "x"],
    "one object three times": lambda: examples(1) * 3,
}
DEMOS: Final[Mapping[str, Any]] = {"max_bootstrapped_demos": 1, "max_labeled_demos": 1}
SEARCH: Final[Mapping[str, Any]] = {"num_trials": 1, "minibatch": False, "program_aware_proposer": False}


@pytest.mark.parametrize("name", DATASETS)
def test_what_they_lead_to(name: str) -> None:
    """Programs, errors and what is left of a generator are those without us, for optimizers and evaluations alike."""

    def run() -> Any:
        made: list[Any] = []
        with dspy.context(lm=model()):
            optimizers: list[tuple[Any, dict[str, Any]]] = [
                (Rounds(exact), {}),
                (dspy.BootstrapFewShot(exact, **DEMOS), {}),
                (dspy.BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=0, num_threads=2, **DEMOS), {}),
                (
                    dspy.MIPROv2(exact, auto=None, num_candidates=2, num_threads=1, seed=2, **DEMOS),
                    {**SEARCH, "data_aware_proposer": False},
                ),
            ]
            for optimizer, arguments in optimizers:
                data = _dataset(name)
                made.append(outcome(lambda o=optimizer, a=arguments, d=data: _state(o, d, a)))
                made.append(_left(data))
            for threads in (1, 3):
                data = _dataset(name)
                made.append(outcome(lambda d=data, t=threads: _results(d, t)))
                made.append(_left(data))
        return made

    same_with_and_without(run, capture_content=True)


def _state(optimizer: Any, data: Any, arguments: dict[str, Any]) -> Any:
    return optimizer.compile(dspy.Predict("question -> answer"), trainset=data, **arguments).dump_state()


def _results(data: Any, threads: int) -> Any:
    evaluate: Any = dspy.Evaluate(devset=data, metric=exact, num_threads=threads)
    return evaluate(dspy.Predict("question -> answer")).results


def _dataset(name: str) -> Any:
    return cast("Any", DATASETS[name])()


def _left(data: Any) -> int:
    """How many a generator still has."""
    return sum(1 for _ in data) if hasattr(data, "__next__") else 0
