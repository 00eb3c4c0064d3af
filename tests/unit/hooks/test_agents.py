"""Agents and their tools: `invoke_agent` in the agent's module span, `execute_tool` for every kind of tool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy.predict import react_v2
from dspy.utils.exceptions import AdapterParseError
from inline_snapshot import snapshot

from tests.behavior.model import model
from tests.behavior.programs import add
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan

SHOWN = ("gen_ai.agent", "gen_ai.tool", "module.name", "error.type")
Act = Callable[[Any], Any]


def _call(program: Any) -> Any:
    return program(question="1+2")


def _await(program: Any) -> Any:
    return asyncio.run(program.acall(question="1+2"))


both_ways = pytest.mark.parametrize("act", [_call, _await], ids=["called", "awaited"])


def _react(*tools: Callable[..., Any], kind: Any = dspy.ReAct) -> Any:
    return kind("question -> answer", tools=[cast("Any", dspy.Tool)(tool, name="add") for tool in tools], max_iters=1)


def _attributes(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


@both_ways
def test_an_agent_with_a_tool(act: Act) -> None:
    """The agent's span stands in its module's and holds its turns; what it is called and asked stays in with content."""
    with dspy.context(lm=model()), recording() as recorder:
        act(_react(add))
    assert recorder.tree("", *SHOWN) == snapshot(
        [
            "module ReAct module.name=self",
            "  invoke_agent ReAct gen_ai.agent.name=ReAct",
            "    module Predict module.name=react",
            "      chat scripted module.name=react",
            "    execute_tool add gen_ai.tool.name=add gen_ai.tool.type=function",
            "    module ChainOfThought module.name=extract",
            "      module Predict module.name=extract.predict",
            "        chat scripted module.name=extract.predict",
        ]
    )
    assert recorder.metrics()["gen_ai.invoke_agent.duration"] == [({"gen_ai.agent.name": "ReAct"}, 1)]


@both_ways
def test_with_content_the_agent_records_question_answer_and_tools(act: Act) -> None:
    """Input and output messages and the tools' definitions are in the standard's form; the trajectory is left to the spans."""
    with dspy.context(lm=model()), recording(capture_content=True) as recorder:
        act(_react(add))
    (agent,) = recorder.named("invoke_agent")
    assert dict(_attributes(agent)) == snapshot(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "ReAct",
            "gen_ai.input.messages": '[{"role":"user","parts":[{"content":"{\\"question\\":\\"1+2\\"}","type":"text"}],"name":null}]',
            "gen_ai.output.messages": '[{"role":"assistant","parts":[{"content":"{\\"reasoning\\":\\"Scripted reasoning f15caf7c. Work step by step, then answer with the result alone.\\",\\"answer\\":\\"wrong\\"}","type":"text"}],"finish_reason":null,"name":null}]',
            "gen_ai.tool.definitions": '[{"name":"add","description":"Add two numbers.","parameters":{"type":"object","properties":{"left":{"type":"integer"},"right":{"type":"integer"}},"required":["left","right"]},"type":"function"},{"name":"finish","description":"Marks the task as complete. That is, signals that all information for producing the outputs, i.e. `answer`, are now available to be extracted.","parameters":{"type":"object","properties":{},"required":[]},"type":"function"}]',
        }
    )
    (tool,) = recorder.named("execute_tool")
    assert _attributes(tool)["gen_ai.tool.call.arguments"] == '{"left":1,"right":2}'
    assert _attributes(tool)["gen_ai.tool.call.result"] == "3"


@both_ways
def test_a_tool_that_raises_is_an_observation(act: Act) -> None:
    """ReAct goes on where a tool raises: the tool's span has failed, the agent's has not, the outcome is the same."""

    def broken(left: int, right: int) -> int:
        raise ArithmeticError(f"cannot add {left} and {right}")

    def run() -> Any:
        with dspy.context(lm=model()):
            return act(_react(broken))

    recorder = same_with_and_without(run)
    assert [line for line in recorder.tree("", *SHOWN) if "module" not in line] == snapshot(
        [
            "  invoke_agent ReAct gen_ai.agent.name=ReAct",
            "    execute_tool add error.type=ArithmeticError gen_ai.tool.name=add gen_ai.tool.type=function ERROR(cannot add 1 and 2)",
        ]
    )


@both_ways
def test_an_agent_that_fails(act: Act) -> None:
    """An error of the model ends all the spans above it; it is recorded once."""

    def down(_messages: Any) -> str:
        raise ConnectionError("no line")

    def run() -> Any:
        with dspy.context(lm=in_process_lm(down)):
            return act(_react(add))

    recorder = same_with_and_without(run)
    assert recorder.tree("", "error.type") == snapshot(
        [
            "module ReAct error.type=dspy.utils.exceptions.LMUnexpectedError ERROR()",
            "  invoke_agent ReAct error.type=dspy.utils.exceptions.LMUnexpectedError ERROR()",
            "    module Predict error.type=dspy.utils.exceptions.LMUnexpectedError ERROR()",
            "      chat scripted error.type=dspy.utils.exceptions.LMUnexpectedError ERROR([openai/scripted] no line)",
        ]
    )


async def test_an_agent_that_is_cancelled_in_its_tool() -> None:
    """Tool, agent and module end with the cancellation."""
    waiting = asyncio.Event()

    async def slow(left: int, right: int) -> int:
        waiting.set()
        await asyncio.sleep(3600)
        return left + right

    with dspy.context(lm=model()), recording() as recorder:
        task = asyncio.create_task(_react(slow).acall(question="1+2"))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert recorder.tree("", "error.type") == snapshot(
        [
            "module ReAct error.type=asyncio.exceptions.CancelledError ERROR()",
            "  invoke_agent ReAct error.type=asyncio.exceptions.CancelledError ERROR()",
            "    module Predict",
            "      chat scripted",
            "    execute_tool add error.type=asyncio.exceptions.CancelledError ERROR()",
        ]
    )


class Own(dspy.ReAct):
    """An agent with a way of its own, which ends in ReAct's."""

    def forward(self, **kwargs: Any) -> Any:
        """Ask twice."""
        super().forward(**kwargs)
        return super().forward(**kwargs)


def test_an_agent_of_the_users_own_is_one_agent() -> None:
    """A subclass's `forward` that calls ReAct's is one span, with the subclass's name; so is one defined meanwhile."""
    with dspy.context(lm=model()), recording() as recorder:

        class Meanwhile(dspy.ReAct):
            def forward(self, **kwargs: Any) -> Any:
                return super().forward(**kwargs)

        _react(add, kind=Own)(question="1+2")
        _react(add, kind=Meanwhile)(question="1+2")
    assert [span.name for span in recorder.named("invoke_agent")] == ["invoke_agent Own", "invoke_agent Meanwhile"]
    assert not hasattr(vars(Meanwhile)["forward"], "__wrapped__")


def test_an_agent_that_is_a_tool_of_another() -> None:
    """Each agent has its span, the inner one inside of the tool that it is."""
    inner = _react(add)

    def ask(left: int, right: int) -> Any:
        return inner(question=f"{left}+{right}")

    with dspy.context(lm=model()), recording() as recorder:
        _react(ask)(question="1+2")
    lines = [line for line in recorder.tree("") if line.split()[0] in {"invoke_agent", "execute_tool"}]
    assert lines == snapshot(
        ["  invoke_agent ReAct", "    execute_tool add", "        invoke_agent ReAct", "          execute_tool add"]
    )


@both_ways
def test_react_v2(act: Act) -> None:
    """The agent of native tool calls has the same spans."""
    calls = '{"tool_calls": [{"name": "add", "args": {"left": 1, "right": 2}}]}'
    done = '{"tool_calls": [{"name": "submit", "args": {"answer": "3"}}]}'
    turns = iter([calls, done])
    script = dspy_script({"tool_calls": lambda _: next(turns), "next_thought": lambda _: "add them"})
    kind: Any = vars(react_v2)["ReActV2"]
    program = kind("question -> answer", tools=[cast("Any", dspy.Tool)(add, name="add")], max_iters=3)
    with dspy.context(lm=in_process_lm(script)), recording(capture_content=True) as recorder:
        assert act(program).answer == "3"
    assert recorder.tree("", "gen_ai.agent.name") == snapshot(
        [
            "module ReActV2",
            "  invoke_agent ReActV2 gen_ai.agent.name=ReActV2",
            "    module Predict",
            "      chat scripted",
            "    execute_tool add",
            "    module Predict",
            "      chat scripted",
            "    execute_tool submit",
        ]
    )


@both_ways
def test_a_tool_that_does_not_exist(act: Act) -> None:
    """The agent raises; the spans of its turns have the error, and the calls of the model that chose the tool."""
    answers = {"next_thought": "?", "next_tool_name": "lookup", "next_tool_args": "{}"}
    lm = in_process_lm(dspy_script({name: lambda _, text=text: text for name, text in answers.items()}))
    with dspy.context(lm=lm), recording() as recorder, pytest.raises(AdapterParseError):
        act(_react(add))
    assert recorder.tree("", *SHOWN) == snapshot(
        [
            "module ReAct module.name=self error.type=dspy.utils.exceptions.AdapterParseError ERROR()",
            "  invoke_agent ReAct error.type=dspy.utils.exceptions.AdapterParseError gen_ai.agent.name=ReAct ERROR()",
            "    module Predict module.name=react error.type=dspy.utils.exceptions.AdapterParseError ERROR(JSONAdapter could not parse the model's answer; it should have held: next_thought, next_tool_name, next_tool_args)",
            "      chat scripted module.name=react",
            "      chat scripted module.name=react",
        ]
    )
