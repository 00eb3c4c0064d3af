"""Tools with keyword arguments of any name."""

from __future__ import annotations

import json

import dspy

from tests.support.span_recorder import recording


def test_arguments_are_recorded_as_they_were_given() -> None:
    """DSPy passes an argument that is named like `**filters` on under that name; the span has what the model gave."""
    got: list[dict[str, object]] = []

    def search(query: str, **filters: object) -> str:
        got.append(filters)
        return query

    tool = dspy.Tool(search)
    assert set(tool.args or {}) == {"query", "filters"}
    with recording(capture_content=True) as recorder:
        tool(query="mail", filters={"lang": "de"})
        tool(query="mail", lang="de")
    assert got == [{"filters": {"lang": "de"}}, {"lang": "de"}]
    recorded = [json.loads(span["gen_ai.tool.call.arguments"]) for span in recorder.attributes_of("execute_tool")]
    assert recorded == [{"query": "mail", "filters": {"lang": "de"}}, {"query": "mail", "lang": "de"}]
