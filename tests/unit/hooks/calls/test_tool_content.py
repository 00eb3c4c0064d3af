"""Content of tool calls: copied during the call, redacted and serialized after it."""

from __future__ import annotations

import threading
from typing import Any

import dspy

from otel_dspy import DSPyInstrumentor
from tests.support.telemetry_capture import TelemetryCapture


def test_the_callers_thread_neither_redacts_nor_serializes_the_content_of_a_tool_call() -> None:
    """Nothing is redacted until the call has returned; the span has the arguments as they were passed."""
    caller, inside, redacted_inside = threading.current_thread(), [False], list[str]()

    def redact(name: str, text: str) -> str:
        if inside[0] and threading.current_thread() is caller:
            redacted_inside.append(name)
        return text.replace("apple", "fruit")

    def buy(items: list[str]) -> str:
        """Buy an apple."""
        items.append("pear")
        return f"{len(items)} items, no apple"

    capture = TelemetryCapture(batched=True)
    DSPyInstrumentor().instrument(**capture.providers, capture_content=True, redact=redact)
    try:
        tool: Any = dspy.Tool(buy)
        inside[0] = True
        assert tool(items=["apple"]) == "2 items, no apple"
        inside[0] = False
        (span,) = [span for span in capture.spans if span.name == "execute_tool buy"]
    finally:
        DSPyInstrumentor().uninstrument()
        capture.shutdown()
    content = {name: value for name, value in (span.attributes or {}).items() if name.startswith("gen_ai.tool.")}
    assert content == {
        "gen_ai.tool.name": "buy",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.description": "Buy an fruit.",
        "gen_ai.tool.call.arguments": '{"items":["fruit"]}',
        "gen_ai.tool.call.result": "2 items, no fruit",
    }
    assert redacted_inside == []
