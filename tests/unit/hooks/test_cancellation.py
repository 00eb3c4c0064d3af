"""Cancelled calls: every open span ends with the error, and the cancellation propagates."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import ScriptedEngine
from tests.support.span_recorder import recording
from tests.support.two_step_programs import Thinking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class _HangingEngine:
    """Answers the first calls and keeps the next one waiting for good."""

    def __init__(self, engine: ScriptedEngine, answers: int) -> None:
        self._engine = engine
        self._answers = answers
        self.waiting = asyncio.Event()

    async def complete(self, request: Any) -> Any:
        if self._answers == 0:
            self.waiting.set()
            await asyncio.sleep(3600)
        self._answers -= 1
        return self._engine.complete(request)


def _hanging_lm(answers: int) -> tuple[dspy.LM, _HangingEngine]:
    engine = ScriptedEngine(dspy_script({"answer": half_right}))
    hanging = _HangingEngine(engine, answers)
    return dspy.LM("openai/scripted", engine=engine, async_engine=hanging, cache=False, num_retries=0), hanging


async def _cancelled(call: Callable[[], Awaitable[Any]], waiting: asyncio.Event) -> None:
    task = asyncio.ensure_future(call())
    await waiting.wait()
    task.cancel("the user has gone")
    with pytest.raises(asyncio.CancelledError, match="the user has gone"):
        await task
    assert task.cancelled()


@pytest.mark.parametrize("content", [False, True])
async def test_a_program_that_is_cancelled_while_the_model_answers(*, content: bool) -> None:
    """What had ended stays as it was; what was open ends with the error, recorded once, on the innermost span."""
    lm, engine = _hanging_lm(answers=1)
    with dspy.context(lm=lm), recording(capture_content=content) as recorder:
        await _cancelled(lambda: Thinking().acall(question="1+1"), engine.waiting)
    assert recorder.tree("", "error.type", "module.name") == snapshot(
        [
            "module Thinking module.name=self error.type=asyncio.exceptions.CancelledError ERROR()",
            "  module Predict module.name=draft",
            "    chat scripted module.name=draft",
            "  module ChainOfThought module.name=final error.type=asyncio.exceptions.CancelledError ERROR()",
            "    module Predict module.name=final.predict error.type=asyncio.exceptions.CancelledError ERROR()",
            "      chat scripted module.name=final.predict error.type=asyncio.exceptions.CancelledError ERROR(the user has gone)",
        ]
    )


async def test_a_tool_that_is_cancelled() -> None:
    """An awaited tool's span ends with the cancellation, and so does the module's that awaits it."""
    waiting = asyncio.Event()

    async def slow(left: int) -> int:
        waiting.set()
        await asyncio.sleep(3600)
        return left

    tool: Any = cast("Any", dspy.Tool)(slow)

    class Using(dspy.Module):
        async def aforward(self) -> Any:
            return await tool.acall(left=1)

    with recording() as recorder:
        await _cancelled(cast("Any", Using()).acall, waiting)
    assert recorder.tree("", "error.type") == snapshot(
        [
            "module Using error.type=asyncio.exceptions.CancelledError ERROR()",
            "  execute_tool slow error.type=asyncio.exceptions.CancelledError ERROR(the user has gone)",
        ]
    )


async def test_a_timeout_is_a_cancellation_inside() -> None:
    """`asyncio.wait_for` gives its caller TimeoutError; the spans say what the call saw."""
    lm, _ = _hanging_lm(answers=0)
    with dspy.context(lm=lm), recording() as recorder, pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(dspy.Predict("question -> answer").acall(question="1+1"), 0.05)
    assert recorder.tree("", "error.type") == snapshot(
        [
            "module Predict error.type=asyncio.exceptions.CancelledError ERROR()",
            "  chat scripted error.type=asyncio.exceptions.CancelledError ERROR()",
        ]
    )


async def test_one_of_many_that_is_cancelled_leaves_the_others_alone() -> None:
    """Calls beside a cancelled one end as they would; what comes after it starts a trace of its own."""
    lm, engine = _hanging_lm(answers=0)
    with recording() as recorder:
        with dspy.context(lm=lm):
            task = asyncio.ensure_future(dspy.Predict("question -> answer").acall(question="1+1"))
            await engine.waiting.wait()
        with dspy.context(lm=addition_lm()):
            await dspy.Predict("question -> answer").acall(question="3+1")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await dspy.Predict("question -> answer").acall(question="5+1")
    assert recorder.tree("", "error.type") == snapshot(
        [
            "module Predict error.type=asyncio.exceptions.CancelledError ERROR()",
            "  chat scripted error.type=asyncio.exceptions.CancelledError ERROR()",
            "module Predict",
            "  chat scripted",
            "module Predict",
            "  chat scripted",
        ]
    )
    assert [span.parent for span in recorder.named("module")] == [None] * 3


def test_a_coroutine_that_is_closed_ends_its_spans(caplog: pytest.LogCaptureFixture) -> None:
    """A coroutine that is no longer awaited is closed by Python, in any context: the span ends, without an error.

    It is a tool's: with a module DSPy itself raises, because it resets its own context variables then.
    """

    async def slow(left: int) -> int:
        await asyncio.sleep(3600)
        return left

    with recording() as recorder:
        coroutine = cast("Any", dspy.Tool)(slow).acall(left=1)
        loop = asyncio.new_event_loop()
        task = loop.create_task(coroutine)
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()
        coroutine.close()
        del task
        gc.collect()  # asyncio logs that the task is gone: here, and not in the test during which it is collected
    assert recorder.tree("", "error.type") == snapshot(["execute_tool slow error.type=GeneratorExit ERROR()"])
    assert [record.getMessage() for record in caplog.records if record.name.startswith("opentelemetry")] == []


def test_a_program_that_is_closed_ends_its_spans(caplog: pytest.LogCaptureFixture) -> None:
    """DSPy raises when it resets its context variables in another context: of OpenTelemetry's there is no word."""
    lm, _ = _hanging_lm(answers=0)
    with dspy.context(lm=lm), recording() as recorder:
        coroutine = dspy.ChainOfThought("question -> answer").acall(question="1+1")
        loop = asyncio.new_event_loop()
        task = loop.create_task(coroutine)
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()
        with pytest.raises(ValueError, match="different Context"):
            coroutine.close()
        del task
        gc.collect()  # see above
    lines = recorder.tree("")
    assert [line.partition(" ERROR")[0] for line in lines] == [
        "module ChainOfThought",
        "  module Predict",
        "    chat scripted",
    ]
    assert [record.getMessage() for record in caplog.records if record.name.startswith("opentelemetry")] == []


def test_a_coroutine_has_the_name_of_its_method() -> None:
    """Python names a coroutine that was never awaited: a forgotten `await` is the reader's to find."""
    lm, _ = _hanging_lm(answers=0)
    names: list[str] = []
    with recording():
        for call in (
            dspy.ChainOfThought("question -> answer").acall(question="1+1"),
            cast("Any", lm).acall("1+1"),
            cast("Any", dspy.Tool)(len).acall(obj=[]),
        ):
            names.append(call.__qualname__)
            call.close()
    assert names == ["Module.acall", "BaseLM.acall", "Tool.acall"]
