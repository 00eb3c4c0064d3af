"""Arize Phoenix, a real server: function calls, reasoning and media of language model calls in OpenInference's attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from inline_snapshot import snapshot
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import DSPyInstrumentor
from tests.integration.backends.reference_telemetry import otlp
from tests.support.lm_server import scripted_lm
from tests.support.native_calls import MEDIA, PAPER, PIXEL, SOUND, agent, answer, native, native_lm
from tests.support.phoenix_server import needs_phoenix

if TYPE_CHECKING:
    from tests.support.phoenix_server import Phoenix

pytestmark = needs_phoenix

PROJECT: Final = "native-calls"
SPANS: Final = 9
TOKENS: Final = 10 + 5 + 20 + 7 + 30 + 3


def _answered(phoenix: Phoenix) -> list[dict[str, Any]]:
    """The attributes of the language model calls, by Phoenix's own client, in order of their start."""
    provider = TracerProvider(resource=Resource({"openinference.project.name": PROJECT}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(otlp(phoenix.url)))
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True, extra_conventions="openinference")
    try:
        with scripted_lm(answer) as server:
            lm: Any = native_lm(server)
            with native(lm):
                agent()(question="Where is Ulm?")
            lm(messages=[{"role": "user", "content": MEDIA}])
    finally:
        DSPyInstrumentor().uninstrument()
    provider.shutdown()
    spans = phoenix.read({PROJECT: {"spans": SPANS, "tokens": TOKENS}})[PROJECT]["spans"]
    calls = [span for span in spans if span["span_kind"] == "LLM"]
    return [span["attributes"] for span in sorted(calls, key=lambda span: span["start_time"])]


def _below(attributes: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in attributes.items() if name.startswith(prefix)}


def test_function_calls_reasoning_and_media(phoenix: Phoenix) -> None:
    """Each part is where Phoenix's page looks for it."""
    first, second, media = _answered(phoenix)
    assert _below(first, "llm.output_messages.0.message.") == snapshot(
        {
            "role": "assistant",
            "contents.0.message_content.text": "I do not know Ulm.",
            "contents.0.message_content.type": "reasoning",
            "tool_calls.0.tool_call.function.arguments": '{"city": "Ulm"}',
            "tool_calls.0.tool_call.function.name": "lookup",
            "tool_calls.0.tool_call.id": "c1",
        }
    )
    assert _below(first, "llm.tools.") == snapshot(
        {
            "0.tool.json_schema": '{"type": "function", "function": {"name": "lookup", "description": "Look a city up.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "language": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": null}}, "required": ["city"]}}}',
            "1.tool.json_schema": '{"type": "function", "function": {"name": "submit", "description": "Submit the final outputs for the task.", "parameters": {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}}}',
        }
    )
    assert _below(second, "llm.input_messages.2.message.") == snapshot(
        {
            "role": "assistant",
            "tool_calls.0.tool_call.function.arguments": '{"city": "Ulm"}',
            "tool_calls.0.tool_call.function.name": "lookup",
            "tool_calls.0.tool_call.id": "c1",
            "content": """\
[[ ## next_thought ## ]]
I do not know Ulm.

[[ ## completed ## ]]
""",
        }
    )
    assert _below(second, "llm.input_messages.3.message.") == snapshot(
        {"role": "tool", "tool_call_id": "c1", "content": '{"city": "Ulm", "river": "Danube", "language": "en"}'}
    )
    contents = "contents.{}.message_content.{}"
    assert _below(media, "llm.input_messages.0.message.") == {
        "role": "user",
        contents.format(0, "type"): "text",
        contents.format(0, "text"): "What is this?",
        contents.format(1, "type"): "image",
        contents.format(1, "image.image.url"): f"data:image/png;base64,{PIXEL}",
        contents.format(2, "type"): "audio",
        contents.format(2, "audio.audio.url"): f"data:audio/wav;base64,{SOUND}",
        contents.format(2, "audio.audio.mime_type"): "audio/wav",
        contents.format(2, "text"): "[audio/wav]",
        contents.format(3, "type"): "document",
        contents.format(3, "document.document.url"): f"data:application/pdf;base64,{PAPER}",
        contents.format(3, "document.document.mime_type"): "application/pdf",
        contents.format(3, "text"): "[application/pdf]",
    }
