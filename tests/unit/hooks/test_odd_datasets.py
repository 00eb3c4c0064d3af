"""Datasets that are no lists: what DSPy does with them it does with us, and the record stays whole."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import pytest

from tests.behavior.model import model
from tests.support.addition_task import exact, examples
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording
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


class Drawn:
    """Draws each example anew when it is read, and counts the reads: a sample, or a row of a database."""

    def __init__(self) -> None:
        self.reads = 0
        self._random = random.Random(1)  # noqa: S311 - a fixed sequence

    def __len__(self) -> int:
        """Three."""
        return 3

    def __getitem__(self, index: Any) -> Any:
        """One, or some."""
        if isinstance(index, slice):
            return [self[place] for place in range(3)[index]]
        if not 0 <= index < len(self):
            raise IndexError(index)
        self.reads += 1
        return examples(9)[self._random.randrange(9)]


DATASETS: Final[Mapping[str, Callable[[], Any]]] = {
    "uncountable": lambda: Uncountable(examples(3)),
    "unreadable": lambda: Unreadable(examples(3)),
    "lazy": Lazy,
    "drawn": Drawn,
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
                (dspy.COPRO(metric=exact, breadth=2, depth=1), {"eval_kwargs": {"num_threads": 1}}),
                (
                    dspy.BetterTogether(exact, p=dspy.BootstrapFewShot(exact, **DEMOS)),
                    {"strategy": "p", "valset_ratio": 0, "shuffle_trainset_between_steps": False},
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
    """How many a generator still has, how often another dataset was read."""
    return sum(1 for _ in data) if hasattr(data, "__next__") else getattr(data, "reads", 0)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_dataset_that_is_no_list_is_recorded_as_its_examples_are_evaluated(threads: int) -> None:
    """Its rows are those that DSPy was given, in the dataset's order, with the id of a list of them."""
    drawn = Drawn()
    with recording(capture_content=True) as recorder, dspy.context(lm=model()):
        results = _results(drawn, threads)
    with recording(capture_content=True) as of_list, dspy.context(lm=model()):
        _results([examples(9)[place] for place in _first_draws()], threads)
    recorded, expected = recorder.attributes_of("dataset "), of_list.attributes_of("dataset ")
    assert json.loads(recorded[0]["dataset.rows"]) == [
        {"question": f"{place}+1", "answer": str(place + 1)} for place in _first_draws()
    ]
    assert recorded == expected
    assert recorder.attributes_of("evaluate")[0]["dataset.id"] == expected[0]["dataset.id"]
    assert len(results) == len(recorder.named("example"))


def _first_draws() -> list[int]:
    generator = random.Random(1)  # noqa: S311 - as in `Drawn`
    return [generator.randrange(9) for _ in range(3)]
