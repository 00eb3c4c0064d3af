"""Our spans in the words of OpenInference (openinference-semantic-conventions 0.1.42), which Phoenix and Arize read.

Everything is derived from attributes that are on the span already: what content capture, the user's redactor or a limit
has kept back is not there to be said again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from otel_dspy import semconv
from otel_dspy.telemetry.conventions.openinference_messages import message_fields, tool_schema

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    Said = Mapping[str, AttributeValue]

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
"""By operation; the others are CHAIN."""

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
"""DSPy's words to OpenInference's, where they differ."""
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


def openinference(said: Said, room: int | None) -> dict[str, AttributeValue]:
    """The attributes that OpenInference has for a span.

    Args:
        said: the span's own attributes.
        room: how many more it can take. Messages and documents, several attributes each, come whole or not at all.
    """
    found, many = _translated(said)
    if room is None:
        room = sum(map(len, many), len(found))
    found = dict(islice(found.items(), max(room, 0)))
    for attributes in many:
        if len(found) + len(attributes) <= room:
            found.update(attributes)
    return found


def _translated(said: Said) -> tuple[dict[str, AttributeValue], list[dict[str, AttributeValue]]]:
    """Single attributes, and such as belong together."""
    operation = str(said.get(gen_ai.GEN_AI_OPERATION_NAME) or said.get(semconv.DSPY_OPERATION_NAME))
    kind = _KINDS.get(operation, "CHAIN")
    found: dict[str, AttributeValue] = {semconv.OPENINFERENCE_SPAN_KIND: kind}
    found.update({theirs: said[ours] for ours, theirs in _SAME.items() if ours in said})
    _put_text(found, "input", next((str(said[name]) for name in _INPUTS if name in said), None))
    _put_text(found, "output", next((str(said[name]) for name in _OUTPUTS if name in said), None))
    if scored := {word: said[name] for name, word in _SCORED.items() if name in said}:
        metric = {"metric": said[semconv.DSPY_METRIC_NAME]} if semconv.DSPY_METRIC_NAME in said else {}
        found[semconv.METADATA] = json.dumps({**metric, **scored})
    many: list[dict[str, AttributeValue]] = []
    if kind == "LLM":
        _put_lm_call(found, said)
    if kind in {"LLM", "AGENT"}:
        many = [
            _messages(found, said, gen_ai.GEN_AI_INPUT_MESSAGES, semconv.LLM_INPUT_MESSAGES, "input"),
            _messages(found, said, gen_ai.GEN_AI_OUTPUT_MESSAGES, semconv.LLM_OUTPUT_MESSAGES, "output"),
            _tools(said),
        ]
    elif kind == "EMBEDDING" and gen_ai.GEN_AI_REQUEST_MODEL in said:
        found[semconv.EMBEDDING_MODEL_NAME] = said[gen_ai.GEN_AI_REQUEST_MODEL]
    elif kind == "RETRIEVER":
        many = [_documents(said)]
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
    # One that was cut to a length is no JSON any more.
    found[mime_type] = "application/json" if isinstance(_parsed(text), dict | list) else "text/plain"


def _put_lm_call(found: dict[str, AttributeValue], said: Said) -> None:
    found.update({theirs: said[ours] for ours, theirs in _OF_AN_LM_CALL.items() if ours in said})
    tokens = [said.get(gen_ai.GEN_AI_USAGE_INPUT_TOKENS), said.get(gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS)]
    if all(isinstance(count, int) for count in tokens):
        found[semconv.LLM_TOKEN_COUNT_TOTAL] = sum(cast("list[int]", tokens))
    provider = said.get(gen_ai.GEN_AI_PROVIDER_NAME)
    if provider is not None:
        found[semconv.LLM_PROVIDER] = _PROVIDERS.get(str(provider), provider)
    asked = {name: said[key] for name in _PARAMETERS if (key := f"gen_ai.request.{name}") in said}
    if asked:
        found[semconv.LLM_INVOCATION_PARAMETERS] = json.dumps(asked)


def _messages(
    found: dict[str, AttributeValue], said: Said, name: str, prefix: str, side: str
) -> dict[str, AttributeValue]:
    """The fields of each message. The last one's text is the span's value, or all as JSON where they can't be read."""
    written = said.get(name)
    if written is None:
        return {}
    told: dict[str, AttributeValue] = {}
    last = str(written)
    for index, message in enumerate(_objects(str(written))):
        fields, last = message_fields(message)
        told.update({f"{prefix}{index}.message.{field}": value for field, value in fields.items()})
    _put_text(found, side, last)
    return told


def _tools(said: Said) -> dict[str, AttributeValue]:
    offered = _objects(str(said.get(gen_ai.GEN_AI_TOOL_DEFINITIONS, "")))
    return {f"{semconv.LLM_TOOLS}{index}.tool.json_schema": tool_schema(tool) for index, tool in enumerate(offered)}


def _documents(said: Said) -> dict[str, AttributeValue]:
    documents: dict[str, AttributeValue] = {}
    passages = _parsed(str(said.get(semconv.DSPY_RETRIEVAL_PASSAGES, "")))
    for index, passage in enumerate(cast("list[Any]", passages) if isinstance(passages, list) else []):
        documents[f"{semconv.RETRIEVAL_DOCUMENTS}{index}.document.content"] = str(passage)
    for index, document in enumerate(_objects(str(said.get(gen_ai.GEN_AI_RETRIEVAL_DOCUMENTS, "")))):
        for field in ("id", "score"):
            if isinstance(value := document.get(field), str | int | float):
                documents[f"{semconv.RETRIEVAL_DOCUMENTS}{index}.document.{field}"] = value
    return documents


def _objects(text: str) -> list[Mapping[str, Any]]:
    parsed = _parsed(text)
    rows = cast("list[Any]", parsed) if isinstance(parsed, list) else []
    return [cast("Mapping[str, Any]", row) for row in rows if isinstance(row, Mapping)]


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
