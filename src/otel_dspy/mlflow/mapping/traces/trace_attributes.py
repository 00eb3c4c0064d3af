"""Attributes of a span in an MLflow trace: what MLflow's UI reads, without large attributes that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy import semconv as sc
from otel_dspy.mlflow.mapping.traces.chat_messages import chat_messages
from otel_dspy.mlflow.mapping.traces.chat_tools import chat_tools
from otel_dspy.mlflow.mapping.traces.control_span_inputs_outputs import control_content
from otel_dspy.serialization.json_text import parse_json
from otel_dspy.serialization.json_types import is_array, whole_number
from otel_dspy.span_format import SCOPE_NAME

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span import SpanRecord

LEFT_OUT: Final = frozenset(
    {
        sc.DSPY_PROGRAM_STATE,
        sc.DSPY_DATASET_ROWS,
        sc.DSPY_EVALUATE_RESULTS,
        sc.DSPY_PHASE_INSTRUCTIONS,
        sc.DSPY_PHASE_DEMOS,
    }
)
"""Attributes that are artifacts of a run and would make a trace slow to read."""
SPAN_TYPES: Final = {
    "compile": "WORKFLOW", "setup": "TASK", "dataset": "TASK", "phase": "TASK", "trial": "TASK",
    "evaluate": "EVALUATOR", "example": "EVALUATOR", "metric": "EVALUATOR", "module": "CHAIN",
    "attempt": "CHAIN", "interpreter": "TOOL", "adapter": "PARSER",
}  # fmt: skip
"""`dspy.operation.name` to MLflow's span type; MLflow assigns the type of `gen_ai.*` spans itself."""
INPUTS: Final = {
    "module": sc.DSPY_MODULE_INPUT, "example": sc.DSPY_EXAMPLE_INPUTS, "interpreter": sc.DSPY_INTERPRETER_CODE,
    "adapter": sc.DSPY_ADAPTER_INPUT,
}  # fmt: skip
OUTPUTS: Final = {
    "module": sc.DSPY_MODULE_OUTPUT, "example": sc.DSPY_EXAMPLE_PREDICTION, "interpreter": sc.DSPY_INTERPRETER_RESULT,
    "adapter": sc.DSPY_ADAPTER_OUTPUT,
}  # fmt: skip
MAX_CONVERSATION: Final = 250
"""Maximum characters of a conversation's id; MLflow rejects a span with a longer one."""
_MESSAGES: Final = {"mlflow.spanInputs": "gen_ai.input.messages", "mlflow.spanOutputs": "gen_ai.output.messages"}
MODEL_NAMES: Final = ("gen_ai.response.model", "gen_ai.request.model")
_TOOL_CALL: Final = {
    "mlflow.spanInputs": "gen_ai.tool.call.arguments", "mlflow.spanOutputs": "gen_ai.tool.call.result",
}  # fmt: skip
_EMPTY: Final = frozenset({"[]", "{}", '""'})
"""JSON texts that MLflow does not copy to a span's inputs and outputs."""
_FIELDS_OF_MODELS: Final = (*_TOOL_CALL, *_TOOL_CALL.values())
"""Attributes in which MLflow looks for a field `model` if none of `MODEL_NAMES` is set."""


def span_attributes(span: SpanRecord) -> dict[str, object]:
    """Return the attributes of a span as MLflow reads them, values not encoded."""
    found: dict[str, object] = {name: value for name, value in span.attributes.items() if name not in LEFT_OUT}
    if span.scope == SCOPE_NAME and sc.OPENINFERENCE_SPAN_KIND in found:
        # Duplicates for other backends: MLflow would show a call's last message instead of all of them.
        found = {name: value for name, value in found.items() if not _of_openinference(name)}
    _put_whole_tokens(found)
    for name in ("session.id", "gen_ai.conversation.id"):
        if len(str(found.get(name, ""))) > MAX_CONVERSATION:
            del found[name]
    operation = str(span.attributes.get(sc.DSPY_OPERATION_NAME))
    if operation in SPAN_TYPES:
        found["mlflow.spanType"] = SPAN_TYPES[operation]
    for target, sources in (("mlflow.spanInputs", INPUTS), ("mlflow.spanOutputs", OUTPUTS)):
        if (source := sources.get(operation)) and (value := found.pop(source, None)) is not None:
            found[target] = parsed(value)
    found |= control_content(span.attributes)
    if span.attributes.get("gen_ai.operation.name") == "retrieval":
        _put_retrieval(found)
    if span.scope == SCOPE_NAME:
        _put_chat_view(found)
        _put_empty_tool_call(found)
        _put_no_model(found)
    cost = call_cost(span)
    if cost is not None:
        # Set even if it is 0, else MLflow applies its own price to a call that was served from a cache.
        spent = cost if span.attributes.get("gen_ai.operation.name") == "embeddings" else 0.0
        found["mlflow.llm.cost"] = {"input_cost": spent, "output_cost": 0.0, "total_cost": cost}
    return found


def call_cost(span: SpanRecord) -> float | None:
    """Return the cost of a language model or embedding call in USD; None if it is unknown."""
    cost = span.attributes.get(sc.DSPY_LM_COST)
    return float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) else None


def unpriced_model(span: SpanRecord) -> str | None:
    """Return the model of a language model or embedding call whose cost is unknown. Failed calls used no tokens."""
    embedded = span.scope == SCOPE_NAME and span.attributes.get("gen_ai.operation.name") == "embeddings"
    called = (embedded and "gen_ai.usage.input_tokens" in span.attributes) or sc.DSPY_LM_CACHE_HIT in span.attributes
    if not called or sc.DSPY_LM_COST in span.attributes:
        return None
    return next((str(name) for key in MODEL_NAMES if (name := span.attributes.get(key))), None)


def _of_openinference(name: str) -> bool:
    return any(name == one or (one.endswith(".") and name.startswith(one)) for one in sc.OPENINFERENCE_NAMES)


def _put_whole_tokens(found: dict[str, object]) -> None:
    """Convert counts of tokens that a pipeline has made doubles to integers: MLflow sums and prices no others."""
    for name, value in found.items():
        if isinstance(value, float) and name.startswith("gen_ai.usage.") and name.endswith("tokens"):
            count = whole_number(value)
            found[name] = value if count is None else count


def _put_chat_view(found: dict[str, object]) -> None:
    for target, source in _MESSAGES.items():
        shown = chat_messages(parsed(found.get(source)))
        if shown is not None:
            found[target] = shown
            del found[source]
    tools = chat_tools(parsed(found.get("gen_ai.tool.definitions")))
    if tools:
        found["mlflow.chat.tools"] = tools


def _put_empty_tool_call(found: dict[str, object]) -> None:
    """Set what a tool was given and returned where it is empty, which MLflow takes for missing."""
    for target, source in _TOOL_CALL.items():
        given = found.get(source)
        content = parsed(given) if given in _EMPTY else given
        if content is not None and not content:
            found[target] = content


def _put_no_model(found: dict[str, object]) -> None:
    """Prevent MLflow from reading a language model's name from a field `model` of the inputs or outputs.

    MLflow does so for a span of any kind without a model, unless the attribute is set.
    """
    if any(found.get(name) for name in MODEL_NAMES):
        return
    contents = (parsed(found[name]) for name in _FIELDS_OF_MODELS if name in found)
    if any(isinstance(content, dict) and "model" in content for content in contents):
        found["mlflow.llm.model"] = None


def _put_retrieval(found: dict[str, object]) -> None:
    """Convert a retriever's span, which MLflow leaves without a type, to the format of its retriever pages."""
    found["mlflow.spanType"] = "RETRIEVER"
    query = found.pop("gen_ai.retrieval.query.text", None)
    if query is not None:
        found["mlflow.spanInputs"] = {"query": query}
    passages = parsed(found.get(sc.DSPY_RETRIEVAL_PASSAGES))
    if is_array(passages):
        del found[sc.DSPY_RETRIEVAL_PASSAGES]
        found["mlflow.spanOutputs"] = [{"page_content": text, "metadata": {}} for text in passages]


def parsed(value: object) -> object:
    """Return the data of a JSON text; anything else unchanged."""
    # Truncated content is not valid JSON; and some texts are only brackets.
    return parse_json(value, value) if isinstance(value, str) else value
