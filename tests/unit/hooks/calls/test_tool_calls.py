"""Tool calls that a user executes: from a dict by way of the tool, from a list past it."""

from __future__ import annotations

from typing import Any, cast

import dspy

from tests.support.span_recorder import recording


def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


def _call(number: object) -> Any:
    calls: Any = dspy.ToolCalls.from_dict_list([{"name": "double", "args": {"number": number}}])
    return calls.tool_calls[0]


def test_a_tool_of_a_list_is_not_called() -> None:
    """`execute` has a span where it calls the tool, and none where it calls the tool's function, with any arguments."""
    tool: Any = cast("Any", dspy.Tool)(double)
    with recording() as recorder:
        assert _call(1).execute(functions={"double": tool}) == 2
    assert recorder.tree("") == ["execute_tool double"]
    with recording() as recorder:
        assert _call("1").execute(functions=[tool]) == "11"
    assert recorder.tree("") == []
