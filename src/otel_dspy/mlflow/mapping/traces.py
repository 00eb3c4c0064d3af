"""Mapping of spans to MLflow traces: sets what MLflow's UI reads, and omits large attributes that it does not."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from otel_dspy import semconv as sc
from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.mapping.chat_messages import chat_messages
from otel_dspy.mlflow.mapping.chat_tools import chat_tools
from otel_dspy.mlflow.mapping.context import logs_traces, trace_run
from otel_dspy.mlflow.mapping.media import HINTS, readable
from otel_dspy.mlflow.mapping.operations import Assessment, AssessmentFailure, LogSpan, LogTrace
from otel_dspy.mlflow.records.route import RootKind, SpanUpdate, TraceUpdate
from otel_dspy.mlflow.records.span_records import (
    CompileRecord,
    EvaluateRecord,
    ExampleRecord,
    PayloadPiece,
    SetupRecord,
    SpanLink,
)
from otel_dspy.serialization.json_text import parse_json
from otel_dspy.wire_format import SCOPE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.mlflow.mapping.operations import Operation
    from otel_dspy.mlflow.records.route import Options, TraceContext
    from otel_dspy.mlflow.records.span_records import Fact, SpanRecord

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
_MODEL_NAMES: Final = ("gen_ai.response.model", "gen_ai.request.model")
_FIELDS_OF_MODELS: Final = (
    "mlflow.spanInputs", "mlflow.spanOutputs", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result",
)  # fmt: skip
"""Attributes in which MLflow looks for a field `model` if none of `_MODEL_NAMES` is set."""


def trace_operations(fact: Fact, options: Options, context: TraceContext) -> Iterator[Operation]:
    """Log the span in its trace and, if it describes the whole trace, the trace's info.

    Args:
        fact: the decoded span or payload piece.
        options: the options of `autolog`.
        context: the trace that the span is logged in.
    """
    if isinstance(fact, PayloadPiece) or not logs_traces(options, context):
        return
    span_update = context.span_update or SpanUpdate()
    span = _updated(fact.span, span_update)
    root = span.span_id == context.root_id
    yield LogSpan(
        key=f"{span.span_id}/span",
        trace_id=context.trace_id,
        span=span,
        # A trace whose root has a parent never ends for MLflow, so a parent outside the trace is dropped.
        parent_id=context.parent_id or (None if root else span.parent_id),
        attributes=_attributes(span) | {name: _parsed(text) for name, text in span_update.attributes},
        events=span_update.events,
        unpriced_model=_unpriced_model(span),
    )
    if context.joined:
        return
    scores = _assessments(fact, context)
    if root:
        update = context.update or TraceUpdate()
        yield LogTrace(
            key=f"{span.span_id}/trace",
            trace_id=context.trace_id,
            run=trace_run(options, context),
            start_ms=span.start_ms,
            root_id=span.span_id,
            remote=span.parent_id is not None,
            # A compile's trace gets its run from `setup`, an evaluation's the scores of nested examples.
            early=context.kind in {RootKind.COMPILE, RootKind.EVALUATE},
            name=_name(fact),
            state=update.state or ("ERROR" if span.error else "OK"),
            # As MLflow itself computes it from the spans.
            duration_ms=max(0, span.end_ms - span.start_ms),
            request=update.request or _users_preview("mlflow.spanInputs", span_update) or _preview(span, INPUTS),
            response=update.response or _users_preview("mlflow.spanOutputs", span_update) or _preview(span, OUTPUTS),
            tags=_tags(fact) | dict(update.tags),
            metadata=dict(update.metadata),
            client_request_id=update.client_request_id,
            users_assessments=update.assessments,
            assessments=scores,
        )
    elif scores or (isinstance(fact, SetupRecord) and context.kind is RootKind.COMPILE):
        # The compile's trace gets its run and name now, hours before its root ends.
        named = isinstance(fact, SetupRecord) and fact.identity.compile_id == context.compile_id
        if named or scores:
            yield LogTrace(
                key=f"{span.span_id}/trace",
                trace_id=context.trace_id,
                run=trace_run(options, context),
                start_ms=span.start_ms,
                name=_name(fact) if named else None,
                assessments=scores,
            )


def _updated(span: SpanRecord, update: SpanUpdate) -> SpanRecord:
    """Return the span with the status and links that the program set; an error of the call itself takes precedence."""
    links = (*span.links, *(SpanLink(*ids) for ids in update.links))
    if span.error or not update.failed:
        return replace(span, links=links) if update.links else span
    return replace(span, links=links, error=True, message=update.message)


def _attributes(span: SpanRecord) -> dict[str, object]:
    found: dict[str, object] = {name: value for name, value in span.attributes.items() if name not in LEFT_OUT}
    if span.scope == SCOPE_NAME and sc.OPENINFERENCE_SPAN_KIND in found:
        # Duplicates for other backends: MLflow would show a call's last message instead of all of them.
        found = {name: value for name, value in found.items() if not _of_openinference(name)}
    for name in ("session.id", "gen_ai.conversation.id"):
        if len(str(found.get(name, ""))) > MAX_CONVERSATION:
            del found[name]
    operation = str(span.attributes.get(sc.DSPY_OPERATION_NAME))
    if operation in SPAN_TYPES:
        found["mlflow.spanType"] = SPAN_TYPES[operation]
    for target, sources in (("mlflow.spanInputs", INPUTS), ("mlflow.spanOutputs", OUTPUTS)):
        if (source := sources.get(operation)) and (value := found.pop(source, None)) is not None:
            found[target] = _parsed(value)
    if span.attributes.get("gen_ai.operation.name") == "retrieval":
        _put_retrieval(found)
    if span.scope == SCOPE_NAME:
        _put_chat_view(found)
        _put_no_model(found)
    cost = span.attributes.get(sc.DSPY_LM_COST)
    if isinstance(cost, int | float) and not isinstance(cost, bool):
        # Set even if it is 0, else MLflow applies its own price to a call that was served from a cache.
        found["mlflow.llm.cost"] = {"input_cost": 0.0, "output_cost": 0.0, "total_cost": float(cost)}
    return found


def _unpriced_model(span: SpanRecord) -> str | None:
    """Return the model of a language model or embedding call whose cost is unknown. Failed calls used no tokens."""
    embedded = span.scope == SCOPE_NAME and span.attributes.get("gen_ai.operation.name") == "embeddings"
    called = (embedded and "gen_ai.usage.input_tokens" in span.attributes) or sc.DSPY_LM_CACHE_HIT in span.attributes
    if not called or sc.DSPY_LM_COST in span.attributes:
        return None
    return next((str(name) for key in _MODEL_NAMES if (name := span.attributes.get(key))), None)


def _of_openinference(name: str) -> bool:
    return any(name == one or (one.endswith(".") and name.startswith(one)) for one in sc.OPENINFERENCE_NAMES)


def _put_chat_view(found: dict[str, object]) -> None:
    for target, source in _MESSAGES.items():
        shown = chat_messages(_parsed(found.get(source)))
        if shown is not None:
            found[target] = shown
            del found[source]
    tools = chat_tools(_parsed(found.get("gen_ai.tool.definitions")))
    if tools:
        found["mlflow.chat.tools"] = tools


def _put_no_model(found: dict[str, object]) -> None:
    """Prevent MLflow from reading a language model's name from a field `model` of the inputs or outputs.

    MLflow does so for a span of any kind without a model, unless the attribute is set.
    """
    if any(found.get(name) for name in _MODEL_NAMES):
        return
    contents = (_parsed(found[name]) for name in _FIELDS_OF_MODELS if name in found)
    if any(isinstance(content, dict) and "model" in content for content in contents):
        found["mlflow.llm.model"] = None


def _put_retrieval(found: dict[str, object]) -> None:
    """Convert a retriever's span, which MLflow leaves without a type, to the format of its retriever pages."""
    found["mlflow.spanType"] = "RETRIEVER"
    query = found.pop("gen_ai.retrieval.query.text", None)
    if query is not None:
        found["mlflow.spanInputs"] = {"query": query}
    passages = _parsed(found.get(sc.DSPY_RETRIEVAL_PASSAGES))
    if isinstance(passages, list):
        del found[sc.DSPY_RETRIEVAL_PASSAGES]
        texts = cast("list[object]", passages)
        found["mlflow.spanOutputs"] = [{"page_content": text, "metadata": {}} for text in texts]


def _parsed(value: object) -> object:
    # Truncated content is not valid JSON; and some texts are only brackets.
    return parse_json(value, value) if isinstance(value, str) else value


def _preview(span: SpanRecord, sources: dict[str, str]) -> str | None:
    source = sources.get(str(span.attributes.get(sc.DSPY_OPERATION_NAME)))
    value = span.attributes.get(source) if source else None
    if not isinstance(value, str):
        return None
    if any(hint in value for hint in HINTS):
        value = json.dumps(readable(_parsed(value)), ensure_ascii=False, separators=(",", ":"))
    return value[: naming.MAX_PREVIEW]


def _users_preview(name: str, update: SpanUpdate) -> str | None:
    text = dict(update.attributes).get(name)
    return None if text is None else text[: naming.MAX_PREVIEW]


def _name(fact: Fact) -> str:
    match fact:
        case SetupRecord() | CompileRecord():
            return naming.compile_name(fact.identity)
        case EvaluateRecord():
            return f"evaluate {fact.program}"
        case ExampleRecord():
            return f"{fact.program} example" + (f" {fact.index}" if fact.index is not None else "")
        case _:
            module = fact.span.attributes.get(sc.DSPY_MODULE_TYPE)
            return str(module) if module else fact.span.name


def _tags(fact: Fact) -> dict[str, str]:
    names = (
        sc.DSPY_COMPILE_ID, sc.DSPY_TRIAL_INDEX, sc.DSPY_EXAMPLE_INDEX, sc.DSPY_EXAMPLE_ID, sc.DSPY_PROGRAM_NAME,
        sc.DSPY_OPTIMIZER_NAME,
    )  # fmt: skip
    return naming.tags({name: fact.span.attributes.get(name) for name in names} | {"otel.trace_id": fact.span.trace_id})


def _assessments(fact: Fact, context: TraceContext) -> tuple[Assessment, ...]:
    if not isinstance(fact, ExampleRecord):
        return ()
    error = None
    if fact.error_type is not None and fact.metric is not None and not fact.repeated:
        error = AssessmentFailure(fact.error_type, fact.error_message)
    name = fact.metric or "score"
    found = [] if fact.score is None and error is None else [_assessment(fact, context, name, fact.score, error)]
    found += [
        _assessment(fact, context, f"{name}/{objective}"[: naming.MAX_KEY], value)
        for objective, value in fact.objectives.items()
    ]
    return tuple(found)


def _assessment(
    fact: ExampleRecord, context: TraceContext, name: str, value: float | None, error: AssessmentFailure | None = None
) -> Assessment:
    # Derived from the span's identity, so that logging it twice is idempotent.
    digest = hashlib.sha256(f"{context.trace_id}/{fact.span.span_id}/{name}".encode()).hexdigest()
    return Assessment(
        assessment_id=f"a-{digest[:32]}",
        name=name,
        # A server rejects a whole request that contains a number that JSON does not support.
        value=value if value is None or math.isfinite(value) else str(value),
        error=error,
        rationale=fact.feedback,
        span_id=None if fact.span.span_id == context.root_id else fact.span.span_id,
        time_ms=fact.span.end_ms,
    )
