"""By which names modules are recorded: those of DSPy, for programs of every kind, also when they change."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from typing_extensions import override

from otel_dspy.hooks.calls import module_paths as paths_module
from otel_dspy.hooks.calls.module_paths import module_paths
from otel_dspy.serialization import program_modules
from otel_dspy.serialization.program_modules import named_modules
from tests.support.addition_task import addition_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Adder(dspy.Module):
    """A program with one predictor."""

    def __init__(self, number: int = 1) -> None:
        super().__init__()
        self.number = number
        self.predict = dspy.Predict("question -> answer")

    def forward(self, question: str) -> Any:
        """Ask whichever predictor there is."""
        chosen: Any = getattr(self, "better", None) or self.predict
        return chosen(question=question)


class Equal(Adder):
    """Equal to every other one of the same number."""

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Equal) and other.number == self.number

    @override
    def __hash__(self) -> int:
        return hash(self.number)


class Unhashable(Adder):
    """As a dataclass is by default."""

    __hash__ = None  # type: ignore[assignment]

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unhashable) and other.number == self.number


class Unready(Adder):
    """With a property that raises."""

    @property
    def signature(self) -> Any:
        """Not yet."""
        raise RuntimeError


class Nested(dspy.Module):
    """A program that holds modules in every way that DSPy follows."""

    def __init__(self) -> None:
        super().__init__()
        shared = Adder()
        self.one = shared
        self.same = shared
        self.steps = [Adder(), {"a": dspy.ChainOfThought("a -> b"), 3: (Adder(), "text", None)}, "text"]
        self.itself = self
        self.texts: list[object] = ["text"] * 100


def recorded(*calls: Callable[[], object]) -> list[str]:
    """Every module span, with its path, in calls one after the other."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        for call in calls:
            call()
        lines = recorder.tree("", "module.name")
    return [line.strip().removeprefix("module ") for line in lines if "module " in line]


def test_the_names_are_those_of_dspy() -> None:
    """The same names in the same order as `named_sub_modules` gives."""
    program = Nested()
    assert list(named_modules(program)) == list(program.named_sub_modules())


def test_what_is_too_large_to_be_a_list_of_modules_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that holds a corpus is not searched through text by text."""
    monkeypatch.setattr(program_modules, "LARGEST_CONTAINER", 50)
    program = Nested()
    program.texts.append(Adder())
    found = list(named_modules(program))
    assert found == [pair for pair in program.named_sub_modules() if not pair[0].startswith("self.texts")]
    assert len(found) == len(list(program.named_sub_modules())) - 2


class _Store:
    """A callable that is no module, with methods of a collection that read a database."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __len__(self) -> int:
        self.read.append("len")
        return 1

    def items(self) -> list[tuple[str, object]]:
        """Note it."""
        self.read.append("items")
        return []


def test_a_program_that_is_no_module_is_not_read() -> None:
    """`Evaluate` accepts any callable: only modules, lists and dictionaries are searched for modules."""
    store = _Store()
    assert list(named_modules(store)) == []
    assert store.read == []


@pytest.mark.parametrize("kind", [Adder, Equal, Unhashable, Unready])
def test_every_program_has_its_spans(kind: type[Adder]) -> None:
    """Also one that equals another, one that has no hash, and one that raises when it is looked at."""
    spans = [f"{kind.__name__} module.name=self", "Predict module.name=predict"]
    one, other = kind(), kind()
    assert recorded(lambda: one(question="1+1"), lambda: other(question="1+1")) == spans * 2


def test_a_module_that_came_later_has_its_own_name() -> None:
    """A predictor that is exchanged between two calls is recorded as what it is, at whichever address it is."""
    program: Any = Adder()

    def exchanged() -> None:
        program(question="1+1")
        program.better = dspy.Predict("question -> answer")
        program(question="1+1")
        del program.better

    without, exchange = "Predict module.name=predict", "Predict module.name=better"
    itself = "Adder module.name=self"
    assert recorded(*[exchanged] * 20) == [itself, without, itself, exchange] * 20


def test_what_is_made_for_a_call_is_sought_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that makes a module for each call does not pay for a search each time, and one that changes is found."""
    walks: list[object] = []

    def walk(program: object) -> Iterator[tuple[str, Any]]:
        walks.append(program)
        return named_modules(program)

    monkeypatch.setattr(paths_module, "named_modules", walk)
    program: Any = Adder()
    paths = module_paths(program)
    assert [paths.path(Adder()) for _ in range(100)] == [None] * 100
    assert len(walks) == 1 + 7
    program.late = Adder()
    assert {paths.path(program.late) for _ in range(100)} == {None, "late"}
    assert module_paths(program) is paths


@pytest.mark.usefixtures("only_own_garbage")
def test_nothing_keeps_a_program() -> None:
    """What is known of a program goes with it."""
    programs = [Adder() for _ in range(10)]
    assert [module_paths(program).path(program) for program in programs] == ["self"] * 10
    ids = {id(program) for program in programs}
    assert ids <= paths_module._of_programs.keys()
    del programs
    gc.collect()
    assert ids.isdisjoint(paths_module._of_programs)
