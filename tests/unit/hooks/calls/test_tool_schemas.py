"""Tools of a server of the Model Context Protocol in the requests of a model that calls functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import dspy
from mcp.types import Tool

from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    import pytest

_LISTED: dict[str, Any] = {
    "name": "search",
    "description": "Search issues.",
    "inputSchema": {
        "type": "object",
        "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
        "required": ["query"],
    },
}


class Step(dspy.Signature):
    """Call a tool, or answer."""

    request: str = dspy.InputField()
    tools: list[dspy.Tool] = dspy.InputField()
    answer: str = dspy.OutputField()
    calls: dspy.ToolCalls = dspy.OutputField()


def test_definitions_are_those_that_the_model_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    """DSPy requires an optional argument that has no default; the recorded definition does, as the request."""
    monkeypatch.setattr(dspy.LM, "supports_function_calling", True)  # DSPy does not know the scripted model
    tool: Any = cast("Any", dspy.Tool).from_mcp_tool(None, Tool.model_validate(_LISTED))
    lm = in_process_lm(lambda _: "[[ ## answer ## ]]\nNone.\n\n[[ ## completed ## ]]")
    adapter = dspy.ChatAdapter(use_native_function_calling=True)
    program: Any = dspy.Predict(Step)
    with dspy.context(lm=lm, adapter=adapter), recording(capture_content=True) as recorder:
        program(request="Find crashes.", tools=[tool])
    (chat,) = recorder.attributes_of("chat")
    (definition,) = json.loads(chat["gen_ai.tool.definitions"])
    assert definition["parameters"] == {
        "type": "object",
        "properties": _LISTED["inputSchema"]["properties"],
        "required": ["query", "limit"],
    }
