"""A user's optimizer may name the arguments of its compile as it likes: program and data are recorded all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy.teleprompt import BootstrapFewShot, Teleprompter

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from tests.support.span_recorder import Recorder

# Other arguments than those of the base class are the point.
_BootstrapFewShot: Any = BootstrapFewShot
_Teleprompter: Any = Teleprompter


class ForwardsAll(_BootstrapFewShot):
    """Changes nothing of the compile that it inherits."""

    def compile(self, *args: Any, **kwargs: Any) -> Any:
        """Compile."""
        inherited: Any = super()
        return inherited.compile(*args, **kwargs)


class ForwardsOptions(_BootstrapFewShot):
    """Names the options otherwise than DSPy."""

    def compile(self, student: Any, **options: Any) -> Any:
        """Compile."""
        inherited: Any = super()
        return inherited.compile(student, **options)


class NamesOtherwise(_Teleprompter):
    """Names the program otherwise than DSPy."""

    def compile(self, program: Any, /, *rest: Any, trainset: list[Any], rounds: int = 1) -> Any:
        """Compile."""
        del rest, trainset, rounds
        return program


class FirstOfMany(_Teleprompter):
    """Takes anything."""

    def compile(self, *programs: Any, **options: Any) -> Any:
        """Compile."""
        del options
        return programs[0]


def _program() -> Any:
    return dspy.Predict("question -> answer")


def _compiled(optimizer: Any, *args: Any, **kwargs: Any) -> Recorder:
    with dspy.context(lm=addition_lm()), recording(capture_programs=True) as recorder:
        optimizer.compile(*args, **kwargs)
    return recorder


@pytest.mark.parametrize("optimizer", [ForwardsAll(exact), ForwardsOptions(exact), NamesOtherwise(), FirstOfMany()])
def test_program_and_training_set_are_found(optimizer: Any) -> None:
    """The initial program has its name and its state, and the training set is no parameter."""
    recorder = _compiled(optimizer, _program(), trainset=examples(2))
    name = type(optimizer).__name__
    (setup,) = recorder.attributes_of(f"setup {name}")
    assert setup["program.name"] == "Predict"
    assert setup["program.id"]
    (compiled,) = recorder.attributes_of(f"compile {name}")
    assert compiled["program.name"] == "Predict"
    datasets = [
        (dataset["dataset.role"], dataset["dataset.size"])
        for dataset in recorder.attributes_of("dataset")
        if dataset["compile.id"] == setup["compile.id"]
    ]
    assert datasets == [("train", 2)]
    own = {key.removeprefix("optimizer.parameter.") for key in setup if "optimizer.parameter." in key}
    assert own.isdisjoint({"args", "kwargs", "options", "program", "programs", "rest", "trainset"})


def test_a_teacher_is_not_taken_for_the_student() -> None:
    """Although it is named and the student is not."""
    teacher = cast("Any", dspy.ChainOfThought("question -> answer"))
    recorder = _compiled(FirstOfMany(), _program(), teacher=teacher)
    (setup,) = recorder.attributes_of("setup FirstOfMany")
    assert setup["program.name"] == "Predict"


def test_what_is_left_of_the_arguments_is_a_parameter() -> None:
    """Positional arguments that no parameter names are recorded by the parameter that takes them."""
    recorder = _compiled(NamesOtherwise(), _program(), 3, 4, trainset=examples(1))
    (setup,) = recorder.attributes_of("setup NamesOtherwise")
    assert setup["optimizer.parameter.rest"] == (3, 4)


class WithoutAnInstance(_Teleprompter):
    """Its compile is called on the class."""

    @staticmethod
    def compile(student: Any, *, trainset: list[Any]) -> Any:
        """Evaluate the program."""
        dspy.Evaluate(devset=trainset, metric=exact, num_threads=1)(student)
        return student


class OfTheClass(_Teleprompter):
    """The same as a class method."""

    @classmethod
    def compile(cls, student: Any, *, trainset: list[Any]) -> Any:
        """Evaluate the program."""
        return WithoutAnInstance.compile(student, trainset=trainset)


@pytest.mark.parametrize("optimizer", [WithoutAnInstance, OfTheClass])
def test_a_compile_without_an_optimizer_is_none(optimizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Without an instance there are no parameters to record: what it evaluates is recorded on its own."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        optimizer.compile(_program(), trainset=examples(2))
    assert not recorder.named("compile")
    assert len(recorder.named("evaluate")) == 1
    assert not [record for record in caplog.records if record.name.startswith("otel_dspy")]
