"""Attributes of spans as MLflow gets them, and the previews of a trace that are made of them."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace
from otel_dspy.mlflow.records.route import Options, RootKind, TraceContext
from tests.support.mapped_spans import mapped, only, span

CALL = TraceContext(trace_id="t" * 32, root_id="s", kind=RootKind.CALL)


def both(operation: str, given: dict[str, Any], scope: str = "") -> tuple[LogSpan, LogTrace]:
    """The operations for the root of a call."""
    operations = mapped(span(operation, given, scope=scope), CALL, Options())
    return only(operations, LogSpan), only(operations, LogTrace)


def attributes(operation: str, given: dict[str, Any], scope: str = "otel_dspy") -> dict[str, Any]:
    """What MLflow gets as the span's attributes, without the name of the operation."""
    found = dict(both(operation, given, scope)[0].attributes)
    assert found.pop("dspy.operation.name") == operation
    return found


@pytest.mark.parametrize(
    ("operation", "source", "target", "preview"),
    [
        ("module", "dspy.module.input", "mlflow.spanInputs", "request"),
        ("module", "dspy.module.output", "mlflow.spanOutputs", "response"),
        ("example", "dspy.example.inputs", "mlflow.spanInputs", "request"),
        ("example", "dspy.example.prediction", "mlflow.spanOutputs", "response"),
        ("interpreter", "dspy.interpreter.code", "mlflow.spanInputs", "request"),
        ("interpreter", "dspy.interpreter.result", "mlflow.spanOutputs", "response"),
        ("adapter", "dspy.adapter.input", "mlflow.spanInputs", "request"),
        ("adapter", "dspy.adapter.output", "mlflow.spanOutputs", "response"),
    ],
)
def test_inputs_and_outputs(operation: str, source: str, target: str, preview: str) -> None:
    """Parsed in the span, as text in the preview; what is no JSON stays text."""
    for text, parsed in (('{"a": 1}', {"a": 1}), ("{cut", "{cut"), ("[" * 100_000, "[" * 100_000)):
        logged, trace = both(operation, {source: text})
        assert logged.attributes[target] == parsed
        assert source not in logged.attributes
        assert getattr(trace, preview) == text[:1000]
    _, trace = both(operation, {source: 7})
    assert getattr(trace, preview) is None


USAGE = {
    "dspy.usage.lm_calls": 3,
    "dspy.usage.input_tokens": 30,
    "dspy.usage.output_tokens": 15,
    "dspy.usage.cost": 0.5,
    "dspy.usage.cache_hits": 0,
}
IN_ALL = {"lm_calls": 3, "input_tokens": 30, "output_tokens": 15, "cost": 0.5}


@pytest.mark.parametrize(
    ("operation", "given", "inputs", "outputs"),
    [
        (
            "compile",
            {
                "dspy.optimizer.name": "COPRO", "dspy.program.name": "Sums", "dspy.metric.name": "exact",
                "dspy.compile.initial_score": 40.0, "dspy.compile.best_score": 70.0, "dspy.trial.score.unit": "percent",
                "dspy.compile.best_trial.index": 4, "dspy.compile.trial.count": 9, **USAGE,
            },
            {"optimizer": "COPRO", "program": "Sums", "metric": "exact"},
            {"tokens_in_all_traces": 45, "initial_score": 40.0, "best_score": 70.0, "score_unit": "percent",
             "best_trial": 4, "trials": 9,
             "usage_in_all_traces": IN_ALL},
        ),
        (
            "trial",
            {"dspy.trial.index": 4, "dspy.trial.kind": "candidate", "dspy.trial.parameter.0_predictor_demos": 1,
             "dspy.trial.score": math.nan, "dspy.trial.scope": "full", "dspy.trial.state": "complete"},
            {"trial": 4, "kind": "candidate", "parameters": {"0_predictor_demos": 1}},
            {"score": "nan", "scope": "full", "state": "complete"},
        ),
        (
            "trial",
            {"dspy.trial.index": 0, "dspy.trial.kind": "baseline", "dspy.trial.score": 50.0},
            {"trial": 0, "kind": "baseline"},
            {"score": 50.0},
        ),
        (
            "evaluate",
            {"dspy.program.name": "Sums", "dspy.evaluate.score": 50.0, "dspy.evaluate.num_examples": 4,
             "dspy.evaluate.num_errors": 1},
            {"program": "Sums"},
            {"score": 50.0, "examples": 4, "errors": 1},
        ),
    ],
)  # fmt: skip
def test_what_was_tried_and_the_result(
    operation: str, given: dict[str, Any], inputs: dict[str, Any], outputs: dict[str, Any]
) -> None:
    """Of an optimization, a trial and an evaluation, in the span and in the list of traces."""
    logged, trace = both(operation, given)
    assert (logged.attributes["mlflow.spanInputs"], logged.attributes["mlflow.spanOutputs"]) == (inputs, outputs)
    assert (json.loads(trace.request or ""), json.loads(trace.response or "")) == (inputs, outputs)
    assert list(json.loads(trace.response or "")) == list(outputs)


def test_an_image_in_a_preview_is_a_short_text() -> None:
    """Else its first thousand characters would be the whole preview."""
    block = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAECAw=="}}
    _, trace = both("module", {"dspy.module.input": json.dumps({"ü": [block], "n": 1})})
    assert trace.request == '{"ü":["[image/png, 4 bytes]"],"n":1}'


def test_attributes_that_are_artifacts_are_no_part_of_a_trace() -> None:
    """They may be megabytes, which the page of the trace would load."""
    left_out = (
        "dspy.program.state", "dspy.dataset.rows", "dspy.evaluate.results",
        "dspy.phase.instructions", "dspy.phase.demos",
    )  # fmt: skip
    assert attributes("compile", {**dict.fromkeys(left_out, "[]"), "kept": 1}) == {
        "kept": 1,
        "mlflow.spanType": "WORKFLOW",
    }


def test_attributes_for_other_backends_are_no_part_of_a_trace() -> None:
    """OpenInference's repeat what MLflow reads by other names; another library's spans keep theirs."""
    given = {
        "openinference.span.kind": "LLM",
        "input.value": "x",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages_of_mine": "x",
        "input.value.more": "x",
    }
    kept = {"llm.input_messages_of_mine": "x", "input.value.more": "x"}
    assert attributes("chat", given) == kept
    assert attributes("chat", given, scope="other") == given
    del given["openinference.span.kind"]
    assert attributes("chat", given) == given


@pytest.mark.parametrize("name", ["session.id", "gen_ai.conversation.id"])
def test_a_conversations_id_that_mlflow_would_reject(name: str) -> None:
    """250 characters are kept; with more, MLflow would reject the span."""
    assert attributes("chat", {name: "c" * 250}) == {name: "c" * 250}
    assert attributes("chat", {name: "c" * 251}) == {}


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("compile", "WORKFLOW"), ("setup", "TASK"), ("dataset", "TASK"), ("phase", "TASK"), ("trial", "TASK"),
        ("evaluate", "EVALUATOR"), ("example", "EVALUATOR"), ("metric", "EVALUATOR"), ("module", "CHAIN"),
        ("attempt", "CHAIN"), ("interpreter", "TOOL"), ("adapter", "PARSER"), ("chat", None),
    ],
)  # fmt: skip
def test_types_of_spans(operation: str, kind: str | None) -> None:
    """Of those that MLflow gives no type by itself."""
    assert attributes(operation, {}).get("mlflow.spanType") == kind


@pytest.mark.parametrize(("cost", "total"), [(0.5, 0.5), (0, 0.0), (True, None), ("0.5", None)])
def test_the_cost_of_a_call(cost: Any, total: float | None) -> None:
    """As its total, which a price list may divide later. What is no number is no cost."""
    expected = None if total is None else {"input_cost": 0.0, "output_cost": 0.0, "total_cost": total}
    assert attributes("chat", {"dspy.lm.cost": cost}).get("mlflow.llm.cost") == expected


def test_the_cost_of_an_embedding() -> None:
    """It is all for the input."""
    found = attributes("embeddings", {"gen_ai.operation.name": "embeddings", "dspy.lm.cost": 0.5})
    assert found["mlflow.llm.cost"] == {"input_cost": 0.5, "output_cost": 0.0, "total_cost": 0.5}


@pytest.mark.parametrize(
    ("models", "unpriced"),
    [
        ({"gen_ai.request.model": "gpt", "gen_ai.response.model": "gpt-2026"}, "gpt-2026"),
        ({"gen_ai.request.model": "gpt"}, "gpt"),
        ({}, None),
    ],
)
def test_the_model_of_a_call_without_a_price(models: dict[str, Any], unpriced: str | None) -> None:
    """The one that answered, else the one that was asked."""
    logged, _ = both("chat", {**models, "dspy.lm.cache_hit": False})
    assert logged.unpriced_model == unpriced


@pytest.mark.parametrize(
    ("operation", "given", "scope", "unpriced"),
    [
        ("embeddings", {"gen_ai.usage.input_tokens": 3}, "otel_dspy", "small"),
        ("embeddings", {"gen_ai.usage.input_tokens": 3, "dspy.lm.cost": 0.5}, "otel_dspy", None),
        ("embeddings", {}, "otel_dspy", None),
        ("chat", {"gen_ai.usage.input_tokens": 3}, "otel_dspy", None),
        ("embeddings", {"gen_ai.usage.input_tokens": 3}, "of.others", None),
    ],
)
def test_an_embedding_without_a_price(operation: str, given: dict[str, Any], scope: str, unpriced: str | None) -> None:
    """One of otel-dspy's that used tokens; MLflow prices those of other libraries."""
    named = {"gen_ai.operation.name": operation, "gen_ai.request.model": "small"}
    logged, _ = both(operation, {**named, **given}, scope)
    assert logged.unpriced_model == unpriced
    assert logged.cost == given.get("dspy.lm.cost")


PICTURE = [{"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "https://example.org/a.png"}]}]
SHOWN = [
    {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}],
    }
]


@pytest.mark.parametrize(
    ("source", "target"),
    [("gen_ai.input.messages", "mlflow.spanInputs"), ("gen_ai.output.messages", "mlflow.spanOutputs")],
)
def test_messages_that_mlflow_does_not_show_are_converted(source: str, target: str) -> None:
    """Those of otel-dspy's own spans; those that it shows, and other libraries' spans, stay."""
    text = json.dumps(PICTURE)
    assert attributes("chat", {source: text}) == {target: SHOWN}
    assert attributes("chat", {source: text}, scope="other") == {source: text}
    plain = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}])
    assert attributes("chat", {source: plain}) == {source: plain}


def test_definitions_of_tools_are_written_for_the_chat_view() -> None:
    """Beside the conventions' attribute; where there is no function, nothing is."""
    text = json.dumps([{"type": "function", "name": "now"}])
    assert attributes("chat", {"gen_ai.tool.definitions": text}) == {
        "gen_ai.tool.definitions": text,
        "mlflow.chat.tools": [{"type": "function", "function": {"name": "now"}}],
    }
    search = json.dumps([{"type": "web_search", "name": "web_search"}])
    assert attributes("chat", {"gen_ai.tool.definitions": search}) == {"gen_ai.tool.definitions": search}


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("module", "dspy.module.input"), ("module", "dspy.module.output"), ("tool", "gen_ai.tool.call.arguments"),
        ("tool", "gen_ai.tool.call.result"),
    ],
)  # fmt: skip
def test_a_field_named_model_is_no_language_model(operation: str, name: str) -> None:
    """MLflow would read one from it, unless the attribute is set; a span with a model keeps that."""
    no_model = ("mlflow.llm.model", None)
    assert no_model in attributes(operation, {name: '{"model": "T"}'}).items()
    for given in (
        {name: '{"modal": "T"}'},
        {name: '"model"'},
        {name: '{"model": "T"}', "gen_ai.request.model": "gpt"},
        {name: '{"model": "T"}', "gen_ai.response.model": "gpt"},
    ):
        assert "mlflow.llm.model" not in attributes(operation, given)
    assert "mlflow.llm.model" not in attributes(operation, {name: '{"model": "T"}'}, scope="other")
    assert no_model in attributes(operation, {name: '{"model": "T"}', "gen_ai.request.model": ""}).items()


def test_a_retrievers_span() -> None:
    """Query and passages in the form of MLflow's retriever pages; without content the type alone."""
    given = {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.retrieval.query.text": "rivers",
        "dspy.retrieval.passages": '["Danube", "Iller"]',
    }
    assert attributes("retrieval", given) == {
        "gen_ai.operation.name": "retrieval",
        "mlflow.spanType": "RETRIEVER",
        "mlflow.spanInputs": {"query": "rivers"},
        "mlflow.spanOutputs": [
            {"page_content": "Danube", "metadata": {}},
            {"page_content": "Iller", "metadata": {}},
        ],
    }
    assert attributes("retrieval", {"gen_ai.operation.name": "retrieval", "dspy.retrieval.passages": "[cut"}) == {
        "gen_ai.operation.name": "retrieval",
        "dspy.retrieval.passages": "[cut",
        "mlflow.spanType": "RETRIEVER",
    }
