"""OpenInference's attributes beside otel-dspy's: their values, and that there are none without the setting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from inline_snapshot import snapshot
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import get_current_span

from otel_dspy import DSPyInstrumentor
from otel_dspy.telemetry.conventions.openinference import openinference
from otel_dspy.telemetry.conventions.translating_tracer import with_extra_conventions
from tests.support.addition_task import addition_lm, exact, examples, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Mapping

THEIRS = ("openinference.", "input.", "output.", "llm.", "metadata", "tool.", "agent.", "embedding.", "retrieval.")


def theirs(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """The attributes that are OpenInference's; long texts are cut."""
    return {
        name: f"{value[:40]}…" if isinstance(value, str) and len(value) > 40 else value
        for name, value in (attributes or {}).items()
        if name.startswith(THEIRS)
    }


def test_a_program_has_openinference_attributes_too() -> None:
    """Kind, inputs, outputs, messages, model and tokens of a call, whole; ours are there as ever."""
    lm = in_process_lm(dspy_script({"answer": half_right}), temperature=0.5)
    with recording(extra_conventions="openinference", capture_content=True) as recorder, dspy.context(lm=lm):
        dspy.Predict("question -> answer")(question="1+1")
    assert [theirs(span.attributes) for span in recorder.spans] == snapshot(
        [
            {
                "openinference.span.kind": "LLM",
                "llm.model_name": "scripted",
                "llm.token_count.prompt": 10,
                "llm.token_count.completion": 5,
                "llm.token_count.prompt_details.cache_read": 4,
                "llm.token_count.completion_details.reasoning": 2,
                "llm.token_count.total": 15,
                "llm.provider": "openai",
                "llm.invocation_parameters": '{"temperature": 0.5}',
                "input.value": """\
[[ ## question ## ]]
1+1

Respond with t…\
""",
                "input.mime_type": "text/plain",
                "output.value": """\
[[ ## answer ## ]]
2

[[ ## completed ##…\
""",
                "output.mime_type": "text/plain",
                "llm.input_messages.0.message.role": "system",
                "llm.input_messages.0.message.content": """\
Your input fields are:
1. `question` (st…\
""",
                "llm.input_messages.1.message.role": "user",
                "llm.input_messages.1.message.content": """\
[[ ## question ## ]]
1+1

Respond with t…\
""",
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.content": """\
[[ ## answer ## ]]
2

[[ ## completed ##…\
""",
            },
            {
                "openinference.span.kind": "CHAIN",
                "input.value": '{"question":"1+1"}',
                "input.mime_type": "application/json",
                "output.value": '{"answer":"2"}',
                "output.mime_type": "application/json",
            },
        ]
    )
    assert all(span.attributes and "openinference.span.kind" in span.attributes for span in recorder.spans)


def test_an_evaluation_records_its_scores() -> None:
    """Kinds of the spans, and the scores as metadata; without content capture no attribute has a text."""
    with recording(extra_conventions="openinference") as recorder, dspy.context(lm=addition_lm()):
        dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    assert recorder.tree("", "openinference.span.kind", "metadata", "input", "output") == snapshot(
        [
            'evaluate exact metadata={"metric": "exact", "score": 50.0} openinference.span.kind=EVALUATOR',
            "  dataset evaluation openinference.span.kind=CHAIN",
            'example exact metadata={"metric": "exact", "score": 0.0} openinference.span.kind=CHAIN',
            "  module Predict openinference.span.kind=CHAIN",
            "    chat scripted openinference.span.kind=LLM",
            'example exact metadata={"metric": "exact", "score": 1.0} openinference.span.kind=CHAIN',
            "  module Predict openinference.span.kind=CHAIN",
            "    chat scripted openinference.span.kind=LLM",
        ]
    )


def test_without_the_setting_no_attribute_is_added() -> None:
    """The tracer is the same object, and no span has a name of theirs."""
    tracer = TracerProvider().get_tracer("")
    assert with_extra_conventions(tracer, frozenset()) is tracer
    with recording(capture_content=True) as recorder, dspy.context(lm=addition_lm()):
        dspy.Predict("question -> answer")(question="1+1")
    assert [theirs(span.attributes) for span in recorder.spans] == [{}, {}]


def test_a_full_span_keeps_the_attributes_of_otel_dspy() -> None:
    """The SDK drops the oldest attributes of a full span: OpenInference's are set only where there is room."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=40), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True, extra_conventions="openinference")
    try:
        with dspy.context(lm=addition_lm()):
            predict = dspy.Predict("question -> answer")
            predict.demos = examples(8)
            predict(question="1+1")
    finally:
        DSPyInstrumentor().uninstrument()
    chat, module = exporter.get_finished_spans()
    assert (chat.dropped_attributes, module.dropped_attributes) == (0, 0)
    texts = theirs(chat.attributes)
    assert texts["openinference.span.kind"] == "LLM"
    assert "llm.input_messages.0.message.role" not in texts  # 18 messages are 36 attributes
    assert texts["llm.output_messages.0.message.role"] == "assistant"


@pytest.mark.parametrize("room", [0, -3, 1, 4])
def test_room_is_never_exceeded(room: int) -> None:
    """However many attributes there are, no more are set than fit the span."""
    texts = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "dspy.lm.cost": 0.1, "error.type": "E"}
    assert len(openinference(texts, room)) == min(max(room, 0), 3)


def test_attributes_set_by_the_user_are_kept() -> None:
    """A value that the user's own code put on our span under one of their names is kept."""

    class Annotated(dspy.Module):
        def forward(self, question: str) -> dspy.Prediction:
            get_current_span().set_attribute("input.value", f"my own words: {question}")
            return dspy.Prediction(answer="2")

    with recording(extra_conventions="openinference", capture_content=True) as recorder:
        Annotated()(question="1+1")
    [span] = recorder.spans
    assert (span.attributes or {})["input.value"] == "my own words: 1+1"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param(
            {
                "gen_ai.operation.name": "retrieval",
                "gen_ai.retrieval.query.text": "which?",
                "dspy.retrieval.passages": '["this","that"]',
                "gen_ai.retrieval.documents": '[{"id":"7","score":0.5},{"id":null,"score":0.25}]',
            },
            snapshot(
                {
                    "openinference.span.kind": "RETRIEVER",
                    "input.value": "which?",
                    "input.mime_type": "text/plain",
                    "output.value": '["this","that"]',
                    "output.mime_type": "application/json",
                    "retrieval.documents.0.document.content": "this",
                    "retrieval.documents.1.document.content": "that",
                    "retrieval.documents.0.document.id": "7",
                    "retrieval.documents.0.document.score": 0.5,
                    "retrieval.documents.1.document.score": 0.25,
                }
            ),
            id="retrieval",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "add",
                "gen_ai.tool.call.arguments": '{"a":1}',
                "gen_ai.tool.call.result": "2",
            },
            snapshot(
                {
                    "openinference.span.kind": "TOOL",
                    "tool.name": "add",
                    "tool.parameters": '{"a":1}',
                    "input.value": '{"a":1}',
                    "input.mime_type": "application/json",
                    "output.value": "2",
                    "output.mime_type": "text/plain",
                }
            ),
            id="tool",
        ),
        pytest.param(
            {"gen_ai.operation.name": "chat", "dspy.lm.cost": 0.25, "gen_ai.usage.input_tokens": 3},
            snapshot({"openinference.span.kind": "LLM", "llm.token_count.prompt": 3, "llm.cost.total": 0.25}),
            id="a priced call",
        ),
        pytest.param(
            {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "small"},
            snapshot({"openinference.span.kind": "EMBEDDING", "embedding.model_name": "small"}),
            id="embeddings",
        ),
        pytest.param(
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "ReAct"},
            snapshot({"openinference.span.kind": "AGENT", "agent.name": "ReAct"}),
            id="agent",
        ),
        pytest.param(
            {"dspy.operation.name": "interpreter", "dspy.interpreter.code": "1+1", "dspy.interpreter.result": "2"},
            snapshot(
                {
                    "openinference.span.kind": "TOOL",
                    "input.value": "1+1",
                    "input.mime_type": "text/plain",
                    "output.value": "2",
                    "output.mime_type": "text/plain",
                }
            ),
            id="interpreter",
        ),
        pytest.param(
            {"dspy.operation.name": "module", "dspy.module.input": '{"question":"wh'},
            snapshot(
                {"openinference.span.kind": "CHAIN", "input.value": '{"question":"wh', "input.mime_type": "text/plain"}
            ),
            id="cut to a length",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "bedrock",
                "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"te',
            },
            snapshot(
                {
                    "openinference.span.kind": "LLM",
                    "llm.provider": "aws",
                    "input.value": '[{"role":"user","parts":[{"type":"te',
                    "input.mime_type": "text/plain",
                }
            ),
            id="messages cut by the SDK",
        ),
        pytest.param(
            {
                "dspy.operation.name": "trial",
                "dspy.trial.score": 50.0,
                "dspy.trial.score.unit": "percent",
                "dspy.trial.best_score": 75.0,
                "dspy.trial.is_best": False,
            },
            snapshot(
                {
                    "openinference.span.kind": "CHAIN",
                    "metadata": '{"score": 50.0, "score_unit": "percent", "best_score": 75.0, "is_best": false}',
                }
            ),
            id="trial",
        ),
    ],
)
def test_each_kind_of_span(texts: dict[str, Any], expected: dict[str, Any]) -> None:
    """Attributes of spans that the tests above do not cover."""
    assert openinference(texts, None) == expected


def test_metadata_is_json() -> None:
    """Phoenix filters by its keys: `metadata["score"] > 0.5`."""
    found = openinference({"dspy.metric.name": "exact", "dspy.example.score": 1.0}, None)
    assert json.loads(str(found["metadata"])) == {"metric": "exact", "score": 1.0}


def test_parts_of_messages() -> None:
    """Tool calls, their answers, reasoning and media have OpenInference's names; omitted media are described."""
    asked = [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "What is this?"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAEC"},
                {
                    "type": "blob",
                    "modality": "image",
                    "mime_type": "image/png",
                    "content": "",
                    "size": 9,
                    "sha256": "ab",
                },
                {"type": "uri", "modality": "audio", "uri": "https://example.org/ulm.wav"},
                {"type": "blob", "modality": "document", "mime_type": "application/pdf", "content": "AAEC"},
                {"type": "file", "modality": "document", "mime_type": None, "file_id": "file-1"},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": "on the Danube", "id": "c1"}]},
    ]
    answered = [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Look it up."},
                {"type": "tool_call", "id": "c2", "name": "lookup", "arguments": {"city": "Ulm"}},
            ],
        }
    ]
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps(answered),
        "gen_ai.tool.definitions": json.dumps(
            [
                {"type": "function", "name": "lookup", "description": None, "parameters": {"type": "object"}},
                {"type": "web_search", "name": "web_search"},
            ]
        ),
    }
    assert openinference(texts, None) == {
        "openinference.span.kind": "LLM",
        "input.value": "on the Danube",
        "input.mime_type": "text/plain",
        "output.value": '[{"name": "lookup", "arguments": {"city": "Ulm"}}]',
        "output.mime_type": "application/json",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text",
        "llm.input_messages.0.message.contents.0.message_content.text": "What is this?",
        "llm.input_messages.0.message.contents.1.message_content.type": "image",
        "llm.input_messages.0.message.contents.1.message_content.image.image.url": "data:image/png;base64,AAEC",
        "llm.input_messages.0.message.contents.2.message_content.type": "text",
        "llm.input_messages.0.message.contents.2.message_content.text": "[image/png, 9 bytes, sha256 ab]",
        "llm.input_messages.0.message.contents.3.message_content.type": "audio",
        "llm.input_messages.0.message.contents.3.message_content.audio.audio.url": "https://example.org/ulm.wav",
        "llm.input_messages.0.message.contents.3.message_content.text": "[audio]",
        "llm.input_messages.0.message.contents.4.message_content.type": "document",
        "llm.input_messages.0.message.contents.4.message_content.document.document.url": (
            "data:application/pdf;base64,AAEC"
        ),
        "llm.input_messages.0.message.contents.4.message_content.document.document.mime_type": "application/pdf",
        "llm.input_messages.0.message.contents.4.message_content.text": "[application/pdf]",
        "llm.input_messages.0.message.contents.5.message_content.type": "document",
        "llm.input_messages.0.message.contents.5.message_content.document.document.id": "file-1",
        "llm.input_messages.0.message.contents.5.message_content.text": "[document]",
        "llm.input_messages.1.message.role": "tool",
        "llm.input_messages.1.message.content": "on the Danube",
        "llm.input_messages.1.message.tool_call_id": "c1",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.contents.0.message_content.type": "reasoning",
        "llm.output_messages.0.message.contents.0.message_content.text": "Look it up.",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c2",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "lookup",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"city": "Ulm"}',
        "llm.tools.0.tool.json_schema": (
            '{"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}'
        ),
        "llm.tools.1.tool.json_schema": '{"type": "web_search", "name": "web_search"}',
    }
