"""OpenInference attributes (openinference-semantic-conventions 0.1.42) for Phoenix and Arize.

All of them are derived from attributes that the span has already, so that content capture, the user's redactor and
limits apply to them too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from otel_dspy import semconv
from otel_dspy.serialization.json_text import parse_json
from otel_dspy.telemetry.conventions.openinference_messages import message_fields, tool_schema

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    SpanAttributes = Mapping[str, AttributeValue]

_INFERENCE: Final = ("chat", "text_completion", "generate_content")
_KINDS: Final[Mapping[str, semconv.OpeninferenceSpanKind]] = {
    **dict.fromkeys(_INFERENCE, "LLM"),
    "execute_tool": "TOOL",
    "invoke_agent": "AGENT",
    "embeddings": "EMBEDDING",
    "retrieval": "RETRIEVER",
    "interpreter": "TOOL",
    "evaluate": "EVALUATOR",
    "metric": "EVALUATOR",
}
"""Operation -> span kind; all other operations are CHAIN."""

_INPUTS: Final = (
    semconv.DSPY_MODULE_INPUT,
    semconv.DSPY_EXAMPLE_INPUTS,
    semconv.DSPY_ADAPTER_INPUT,
    semconv.DSPY_INTERPRETER_CODE,
    gen_ai.GEN_AI_TOOL_CALL_ARGUMENTS,
    gen_ai.GEN_AI_RETRIEVAL_QUERY_TEXT,
)
_OUTPUTS: Final = (
    semconv.DSPY_MODULE_OUTPUT,
    semconv.DSPY_EXAMPLE_PREDICTION,
    semconv.DSPY_ADAPTER_OUTPUT,
    semconv.DSPY_INTERPRETER_RESULT,
    gen_ai.GEN_AI_TOOL_CALL_RESULT,
    semconv.DSPY_RETRIEVAL_PASSAGES,
)
_SAME: Final = {
    gen_ai.GEN_AI_TOOL_NAME: semconv.TOOL_NAME,
    gen_ai.GEN_AI_TOOL_DESCRIPTION: semconv.TOOL_DESCRIPTION,
    gen_ai.GEN_AI_TOOL_CALL_ARGUMENTS: semconv.TOOL_PARAMETERS,
    gen_ai.GEN_AI_AGENT_NAME: semconv.AGENT_NAME,
}
_OF_AN_LM_CALL: Final = {
    gen_ai.GEN_AI_REQUEST_MODEL: semconv.LLM_MODEL_NAME,
    gen_ai.GEN_AI_USAGE_INPUT_TOKENS: semconv.LLM_TOKEN_COUNT_PROMPT,
    gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS: semconv.LLM_TOKEN_COUNT_COMPLETION,
    gen_ai.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: semconv.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ,
    "gen_ai.usage.cache_write.input_tokens": semconv.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE,
    "gen_ai.usage.audio.input_tokens": semconv.LLM_TOKEN_COUNT_PROMPT_DETAILS_AUDIO,
    "gen_ai.usage.audio.output_tokens": semconv.LLM_TOKEN_COUNT_COMPLETION_DETAILS_AUDIO,
    gen_ai.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: semconv.LLM_TOKEN_COUNT_COMPLETION_DETAILS_REASONING,
    semconv.DSPY_LM_COST: semconv.LLM_COST_TOTAL,
}
_PARAMETERS: Final = ("temperature", "top_p", "top_k", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
_PROVIDERS: Final = {
    "bedrock": "aws",
    "gemini": "google",
    "vertex_ai": "google",
    "mistral": "mistralai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
}
"""DSPy's provider name -> OpenInference's, where they differ."""
_SCORED: Final = {
    semconv.DSPY_EXAMPLE_SCORE: "score",
    semconv.DSPY_EVALUATE_SCORE: "score",
    semconv.DSPY_TRIAL_SCORE: "score",
    semconv.DSPY_TRIAL_SCORE_UNIT: "score_unit",
    semconv.DSPY_TRIAL_BEST_SCORE: "best_score",
    semconv.DSPY_TRIAL_IS_BEST: "is_best",
    semconv.DSPY_COMPILE_BEST_SCORE: "best_score",
    semconv.DSPY_ATTEMPT_REWARD: "reward",
}


def openinference(source: SpanAttributes, room: int | None) -> dict[str, AttributeValue]:
    """Return the OpenInference attributes for a span.

    Args:
        source: attributes of the span.
        room: number of attributes that still fit on the span; None = no limit. Messages and documents, which consist of
            several attributes, are added completely or not at all.
    """
    found, many = _translated(source)
    if room is None:
        room = sum(map(len, many), len(found))
    found = dict(islice(found.items(), max(room, 0)))
    for attributes in many:
        if len(found) + len(attributes) <= room:
            found.update(attributes)
    return found


def _translated(source: SpanAttributes) -> tuple[dict[str, AttributeValue], list[dict[str, AttributeValue]]]:
    """Return the single attributes, and the groups of attributes that belong together."""
    operation = str(source.get(gen_ai.GEN_AI_OPERATION_NAME) or source.get(semconv.DSPY_OPERATION_NAME))
    kind = _KINDS.get(operation, "CHAIN")
    found: dict[str, AttributeValue] = {semconv.OPENINFERENCE_SPAN_KIND: kind}
    found.update({theirs: source[ours] for ours, theirs in _SAME.items() if ours in source})
    _put_text(found, "input", next((str(source[name]) for name in _INPUTS if name in source), None))
    _put_text(found, "output", next((str(source[name]) for name in _OUTPUTS if name in source), None))
    if scored := {key: source[name] for name, key in _SCORED.items() if name in source}:
        metric = {"metric": source[semconv.DSPY_METRIC_NAME]} if semconv.DSPY_METRIC_NAME in source else {}
        found[semconv.METADATA] = json.dumps({**metric, **scored})
    many: list[dict[str, AttributeValue]] = []
    if kind == "LLM":
        _put_lm_call(found, source)
    if kind in {"LLM", "AGENT"}:
        many = [
            _messages(found, source, gen_ai.GEN_AI_INPUT_MESSAGES, semconv.LLM_INPUT_MESSAGES, "input"),
            _messages(found, source, gen_ai.GEN_AI_OUTPUT_MESSAGES, semconv.LLM_OUTPUT_MESSAGES, "output"),
            _tools(source),
        ]
    elif kind == "EMBEDDING" and gen_ai.GEN_AI_REQUEST_MODEL in source:
        found[semconv.EMBEDDING_MODEL_NAME] = source[gen_ai.GEN_AI_REQUEST_MODEL]
    elif kind == "RETRIEVER":
        many = [_documents(source)]
    return found, many


def _put_text(found: dict[str, AttributeValue], side: str, text: str | None) -> None:
    if text is None:
        return
    value, mime_type = (
        (semconv.INPUT_VALUE, semconv.INPUT_MIME_TYPE)
        if side == "input"
        else (semconv.OUTPUT_VALUE, semconv.OUTPUT_MIME_TYPE)
    )
    found[value] = text
    # A truncated text is no longer valid JSON.
    found[mime_type] = "application/json" if isinstance(parse_json(text), dict | list) else "text/plain"


def _put_lm_call(found: dict[str, AttributeValue], source: SpanAttributes) -> None:
    found.update({theirs: source[ours] for ours, theirs in _OF_AN_LM_CALL.items() if ours in source})
    tokens = [source.get(gen_ai.GEN_AI_USAGE_INPUT_TOKENS), source.get(gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS)]
    if all(isinstance(count, int) for count in tokens):
        found[semconv.LLM_TOKEN_COUNT_TOTAL] = sum(cast("list[int]", tokens))
    provider = source.get(gen_ai.GEN_AI_PROVIDER_NAME)
    if provider is not None:
        found[semconv.LLM_PROVIDER] = _PROVIDERS.get(str(provider), provider)
    asked = {name: source[key] for name in _PARAMETERS if (key := f"gen_ai.request.{name}") in source}
    if asked:
        found[semconv.LLM_INVOCATION_PARAMETERS] = json.dumps(asked)


def _messages(
    found: dict[str, AttributeValue], source: SpanAttributes, name: str, prefix: str, side: str
) -> dict[str, AttributeValue]:
    """Return the attributes of each message; set the span's value to the last one's text, or to the unparsed JSON."""
    written = source.get(name)
    if written is None:
        return {}
    fields_found: dict[str, AttributeValue] = {}
    last = str(written)
    for index, message in enumerate(_objects(str(written))):
        fields, last = message_fields(message)
        fields_found.update({f"{prefix}{index}.message.{field}": value for field, value in fields.items()})
    _put_text(found, side, last)
    return fields_found


def _tools(source: SpanAttributes) -> dict[str, AttributeValue]:
    offered = _objects(str(source.get(gen_ai.GEN_AI_TOOL_DEFINITIONS, "")))
    return {f"{semconv.LLM_TOOLS}{index}.tool.json_schema": tool_schema(tool) for index, tool in enumerate(offered)}


def _documents(source: SpanAttributes) -> dict[str, AttributeValue]:
    documents: dict[str, AttributeValue] = {}
    passages = parse_json(str(source.get(semconv.DSPY_RETRIEVAL_PASSAGES, "")))
    for index, passage in enumerate(cast("list[Any]", passages) if isinstance(passages, list) else []):
        documents[f"{semconv.RETRIEVAL_DOCUMENTS}{index}.document.content"] = str(passage)
    for index, document in enumerate(_objects(str(source.get(gen_ai.GEN_AI_RETRIEVAL_DOCUMENTS, "")))):
        for field in ("id", "score"):
            if isinstance(value := document.get(field), str | int | float):
                documents[f"{semconv.RETRIEVAL_DOCUMENTS}{index}.document.{field}"] = value
    return documents


def _objects(text: str) -> list[Mapping[str, Any]]:
    parsed = parse_json(text)
    rows = cast("list[Any]", parsed) if isinstance(parsed, list) else []
    return [cast("Mapping[str, Any]", row) for row in rows if isinstance(row, Mapping)]
