"""Tools of a server of the Model Context Protocol, a process of its own: `execute_tool` as for any other tool."""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO, cast

import dspy
import pytest
from anyio.from_thread import start_blocking_portal
from inline_snapshot import snapshot
from mcp import ClientSession, StdioServerParameters, stdio_client

from tests.behavior.model import answer
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from anyio.from_thread import BlockingPortal


class Server(NamedTuple):
    """The server, which all tests use."""

    loop: BlockingPortal
    """Where its session is: calls of its tools are made there, in the context of the test."""
    tools: Mapping[str, Any]
    """By name."""

    def call(self, name: str, **arguments: int) -> object:
        """Call a tool."""
        return self.loop.call(partial(self.tools[name].acall, **arguments))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """`tests.support.tools_server`, run as a process. It logs nowhere that one of its tools raised."""
    with (
        Path(os.devnull).open("w") as nowhere,
        start_blocking_portal() as loop,
        loop.wrap_async_context_manager(_server_tools(nowhere)) as tools,
    ):
        yield Server(loop, tools)


@asynccontextmanager
async def _server_tools(nowhere: TextIO) -> AsyncGenerator[Mapping[str, Any]]:
    """The tools of the server, for as long as the block lasts."""
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "tests.support.tools_server"], cwd=Path(__file__).parents[3]
    )
    async with stdio_client(parameters, errlog=nowhere) as streams, ClientSession(*streams) as session:
        await session.initialize()
        listed = await session.list_tools()
        yield {tool.name: dspy.Tool.from_mcp_tool(session, tool) for tool in listed.tools}


@pytest.mark.parametrize("content", [False, True])
def test_tools_of_a_server(server: Server, *, content: bool) -> None:
    """A tool of a real server of the Model Context Protocol is a tool like any other, its error too."""
    with recording(capture_content=content) as recorder:
        assert server.call("add", left=1, right=2) == "3"
        with pytest.raises(RuntimeError, match="Error executing tool broken"):
            server.call("broken", left=1)
    expected = (
        snapshot(
            [
                {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "add",
                    "gen_ai.tool.type": "function",
                    "gen_ai.tool.description": "Add two numbers.",
                    "gen_ai.tool.call.arguments": '{"left":1,"right":2}',
                    "gen_ai.tool.call.result": "3",
                    "status": None,
                },
                {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "broken",
                    "gen_ai.tool.type": "function",
                    "gen_ai.tool.description": "Raise, whatever it is given.",
                    "gen_ai.tool.call.arguments": '{"left":1}',
                    "error.type": "RuntimeError",
                    "status": "Failed to call a MCP tool: Error executing tool broken",
                },
            ]
        )
        if content
        else snapshot(
            [
                {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "add",
                    "gen_ai.tool.type": "function",
                    "status": None,
                },
                {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "broken",
                    "gen_ai.tool.type": "function",
                    "error.type": "RuntimeError",
                    "status": "Failed to call a MCP tool: Error executing tool broken",
                },
            ]
        )
    )
    assert [{**(span.attributes or {}), "status": span.status.description} for span in recorder.spans] == expected


def test_a_tool_that_answers_with_a_text_and_an_image(server: Server) -> None:
    """What DSPy returns of the result, the text alone, is what is recorded."""
    with recording(capture_content=True) as recorder:
        returned = server.call("drawn", left=1)
    (tool,) = recorder.attributes_of("execute_tool")
    assert tool["gen_ai.tool.call.result"] == returned == "the number 1"


def test_an_agent_with_tools_of_a_server(server: Server) -> None:
    """ReAct with such a tool: its span stands in the agent's."""
    with recording() as recorder:
        program: Any = cast("Any", dspy.ReAct)("question -> answer", tools=[server.tools["add"]], max_iters=1)
        with dspy.context(lm=in_process_lm(answer)):
            result: Any = server.loop.call(partial(program.acall, question="1+2"))
    assert result.trajectory["observation_0"] == "3"
    (tool,) = recorder.named("execute_tool")
    (agent,) = recorder.named("invoke_agent")
    assert tool.parent == agent.get_span_context()
