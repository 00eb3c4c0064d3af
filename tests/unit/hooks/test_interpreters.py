"""Code interpreters: spans of DSPy's own and of those that a user passes, with what the code calls below them."""

from __future__ import annotations

import asyncio
import contextlib
import io
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy.primitives.code_interpreter import CodeExecutionError, FinalOutput
from dspy.primitives.local_interpreter import LocalInterpreter
from inline_snapshot import snapshot

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN = ("interpreter.type", "error.type")


class InProcess:
    """An interpreter of the user's own: it runs the code right here."""

    def __init__(self) -> None:
        self.tools: dict[str, Callable[..., Any]] = {}
        self._names: dict[str, Any] = {}

    def start(self) -> None:
        """Nothing is to be done."""

    def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """Give what is printed, or what is submitted."""
        submitted: list[dict[str, Any]] = []

        def submit(**values: Any) -> None:
            submitted.append(values)

        self._names |= {**self.tools, **(variables or {}), "SUBMIT": submit}
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(code, self._names)  # noqa: S102 - the tests' own code
        except Exception as error:
            raise CodeExecutionError(str(error)) from error
        return FinalOutput(submitted[0]) if submitted else printed.getvalue()

    def shutdown(self) -> None:
        """Nothing is to be done."""


class Derived(InProcess):
    """One that calls the one above it."""

    def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """The same."""
        return super().execute(code, variables)


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


def _lm(*codes: str) -> dspy.LM:
    waiting = iter(codes)
    fills: dict[str, Callable[[Any], str]] = {
        "generated_code": lambda _: next(waiting),
        "code": lambda _: next(waiting),
        "finished": lambda _: "True",
        "answer": lambda _: "3",
    }
    return in_process_lm(dspy_script(fills))


@pytest.mark.parametrize("content", [False, True], ids=["without content", "with content"])
def test_program_of_thought(*, content: bool) -> None:
    """A failing first code and a right second one are two spans; the interpreter made for the call is shut down."""

    def run() -> Any:
        program = dspy.ProgramOfThought("question -> answer", interpreter_factory=InProcess)
        with dspy.context(lm=_lm("```python\nprint(1/0)\n```", "```python\nSUBMIT(answer=1 + 2)\n```")):
            return cast("Any", program)(question="1+2")

    recorder = same_with_and_without(run, capture_content=content)
    assert recorder.tree("module Prog", *SHOWN) == snapshot(
        [
            "module ProgramOfThought",
            "  module ChainOfThought",
            "    module Predict",
            "      chat scripted",
            "  interpreter execute interpreter.type=InProcess error.type=dspy.primitives.code_interpreter.CodeExecutionError ERROR(division by zero)",
            "  module ChainOfThought",
            "    module Predict",
            "      chat scripted",
            "  interpreter execute interpreter.type=InProcess",
            "  module ChainOfThought",
            "    module Predict",
            "      chat scripted",
            "  interpreter shutdown interpreter.type=InProcess",
        ]
    )
    codes = [recorded.get("interpreter.code") for recorded in recorder.attributes_of("interpreter")]
    results = [recorded.get("interpreter.result") for recorded in recorder.attributes_of("interpreter")]
    assert [codes, results] == (
        [["print(1/0)", "SUBMIT(answer=1 + 2)", None], [None, '{"answer":3}', None]] if content else [[None] * 3] * 2
    )


def test_code_act() -> None:
    """An agent: its interpreter's spans stand in its own, the tools' definitions too."""

    def run() -> Any:
        program = dspy.CodeAct("question -> answer", tools=[add], max_iters=1, interpreter_factory=InProcess)
        with dspy.context(lm=_lm("```python\nprint(add(1, 2))\n```")):
            return cast("Any", program)(question="1+2")

    recorder = same_with_and_without(run)
    assert recorder.tree("", *SHOWN) == snapshot(
        [
            "module CodeAct",
            "  invoke_agent CodeAct",
            "    interpreter execute interpreter.type=InProcess",
            "    module Predict",
            "      chat scripted",
            "    interpreter execute interpreter.type=InProcess",
            "    module ChainOfThought",
            "      module Predict",
            "        chat scripted",
            "    interpreter shutdown interpreter.type=InProcess",
        ]
    )


@pytest.mark.parametrize("awaited", [False, True], ids=["called", "awaited"])
def test_rlm(*, awaited: bool) -> None:
    """What the code calls, tools and models, stands below the interpreter that runs it."""
    code = 'print(add(left=1, right=2), llm_query("what?"))'

    def run() -> Any:
        lm = _lm(code, "SUBMIT(answer='3')")
        sub = in_process_lm(lambda _: "a number", "openai/below")
        tool: Any = cast("Any", dspy.Tool)(add)
        program: Any = dspy.RLM("question -> answer", tools=[tool], sub_lm=sub, interpreter_factory=InProcess)
        with dspy.context(lm=lm):
            answered = asyncio.run(program.acall(question="1+2")) if awaited else program(question="1+2")
        return answered.answer

    recorder = same_with_and_without(run)
    assert recorder.tree("module RLM", *SHOWN) == snapshot(
        [
            "module RLM",
            "  interpreter execute interpreter.type=InProcess",
            "  interpreter start interpreter.type=InProcess",
            "  module Predict",
            "    chat scripted",
            "  interpreter execute interpreter.type=InProcess",
            "    execute_tool add",
            "    chat below",
            "  module Predict",
            "    chat scripted",
            "  interpreter execute interpreter.type=InProcess",
            "  interpreter shutdown interpreter.type=InProcess",
        ]
    )


def test_a_class_derived_from_another_is_one() -> None:
    """`super().execute()` is a part of the same run; the class is itself again afterwards."""
    own = vars(Derived)["execute"], vars(InProcess)["execute"]
    program: Any = dspy.ProgramOfThought("question -> answer")
    with dspy.context(lm=_lm("```python\nSUBMIT(answer=3)\n```")), recording() as recorder:
        program(Derived(), question="1+2")
    assert [recorded["interpreter.type"] for recorded in recorder.attributes_of("interpreter")] == ["Derived"]
    assert (vars(Derived)["execute"], vars(InProcess)["execute"]) == own


def test_dspys_own_interpreter() -> None:
    """`LocalInterpreter`, which runs Python in a process of its own: start, code and end, and an error of the code."""

    def run() -> Any:
        texts: list[Any] = []
        with LocalInterpreter() as interpreter:
            texts.append(interpreter.execute("print(1 + 2)"))
            try:
                interpreter.execute("raise ValueError('broken')")
            except CodeExecutionError as error:
                texts.append(str(error))
        return texts

    recorder = same_with_and_without(run, capture_content=True)
    assert recorder.tree("", "interpreter.code", "interpreter.result", "error.type") == snapshot(
        [
            "interpreter start",
            "interpreter execute interpreter.code=print(1 + 2) interpreter.result=3",
            "interpreter execute interpreter.code=raise ValueError('broken') error.type=dspy.primitives.code_interpreter.CodeExecutionError ERROR(ValueError: broken)",
            "interpreter shutdown",
        ]
    )


def test_an_interrupt_in_the_code() -> None:
    """Ctrl-C passes, and ends the interpreter's span as failed."""

    class Interrupted(InProcess):
        def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
            del variables
            raise KeyboardInterrupt(code)

    def run() -> Any:
        program = dspy.ProgramOfThought("question -> answer", interpreter_factory=Interrupted)
        with dspy.context(lm=_lm("```python\nprint(3)\n```")):
            return cast("Any", program)(question="1+2")

    recorder = same_with_and_without(run)
    assert recorder.tree("module Prog", *SHOWN)[-2:] == snapshot(
        [
            "  interpreter execute interpreter.type=Interrupted error.type=KeyboardInterrupt ERROR(print(3))",
            "  interpreter shutdown interpreter.type=Interrupted",
        ]
    )
