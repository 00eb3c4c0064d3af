"""One price source: costs of a run and its traces where DSPy's prices and MLflow's differ.

In process and through a bridge. MLflow has no price for one model, which the user has registered with LiteLLM; it has
one for the other's name.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import pytest
from mlflow.tracing.otel.translation import translate_span_when_storing
from mlflow.utils.providers import cost_per_token
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor
from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.tracking.store.traces.mlflow_span import mlflow_span
from tests.support.addition_task import exact, examples
from tests.support.blank_store import blank_store
from tests.support.bridges import exporter, running_bridge
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import engine_of, in_process_lm
from tests.support.lm_server import scripted_lm
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dspy.lm15 import Request, Response
    from opentelemetry.sdk.trace import SpanProcessor

    from tests.support.mlflow_tree import RunNode

DELIVERY: Final = 120_000
"""Milliseconds."""
PRICED: Final = "openai/priced-by-the-user"
UNPRICED: Final = "own/served-here"


class Two(dspy.Module):
    """One question to each of two models."""

    def __init__(self, priced: dspy.LM, unpriced: dspy.LM) -> None:
        super().__init__()
        self.first, self.second = dspy.Predict("question -> answer"), dspy.Predict("question -> answer")
        self.first.set_lm(priced)
        self.second.set_lm(unpriced)

    def forward(self, question: str) -> Any:
        """Ask both."""
        self.first(question=question)
        return self.second(question=question)


def _unpriced_lm() -> dspy.LM:
    """A model served by the user under the name of a hosted one, for which MLflow has a price."""
    lm = in_process_lm(dspy_script({"answer": lambda _: "2"}), UNPRICED)
    engine = engine_of(lm)
    answer = engine.complete

    def complete(request: Request) -> Response:
        return replace(answer(request), model="gpt-4o-mini")

    cast("Any", engine).complete = complete
    return lm


def _evaluate(processors: Sequence[SpanProcessor]) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
    try:
        with scripted_lm(dspy_script({"answer": lambda _: "1"})) as server:
            priced = dspy.LM(
                PRICED, api_base=server.api_base, api_key="-", cache=False, num_retries=0,
                engine="litellm",
            )  # fmt: skip
            program: Any = Two(priced, _unpriced_lm())
            evaluate: Any = dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1)
            evaluate(program)
    finally:
        DSPyInstrumentor().uninstrument()
    for processor in processors:
        assert processor.force_flush(DELIVERY)
        processor.shutdown()


def test_a_run_and_its_traces_have_one_cost(tmp_path: Path) -> None:
    """A program with a priced and an unpriced model: the run's cost is its traces', and two calls have no price.

    In process and through a bridge. MLflow does not know the one model's price, which the user has registered with
    LiteLLM; it knows one for the other's name.
    """
    import litellm  # noqa: PLC0415 - LiteLLM takes seconds, in each pytest process

    litellm.register_model(
        {
            PRICED: {
                "litellm_provider": "openai",
                "mode": "chat",
                "input_cost_per_token": 0.01,
                "output_cost_per_token": 0.02,
            }
        }
    )
    stores = [blank_store(tmp_path, name) for name in ("process.db", "bridge.db")]
    with running_bridge(stores[1], "prices") as bridge:
        _evaluate(
            [
                MlflowSpanProcessor(tracking_uri=stores[0], experiment="prices"),
                BatchSpanProcessor(exporter(bridge, "http")),
            ]
        )
    for store in stores:
        (run,) = read_tree(store, "prices").runs
        recorded = {name: points[-1][1] for name, points in run.metrics.items()}
        by_model = {name: value for name, value in recorded.items() if name.startswith("usage/model/")}
        given, got = (by_model.pop(f"usage/model/{PRICED}/{name}_tokens") for name in ("input", "output"))
        cost = pytest.approx(0.01 * given + 0.02 * got)
        assert by_model == {
            f"usage/model/{PRICED}/lm_calls": 2.0,
            f"usage/model/{PRICED}/cost": cost,
            f"usage/model/{UNPRICED}/input_tokens": 20.0,
            f"usage/model/{UNPRICED}/output_tokens": 10.0,
            f"usage/model/{UNPRICED}/lm_calls": 2.0,
            f"usage/model/{UNPRICED}/unpriced_calls": 2.0,
        }
        assert (recorded["usage/cost"], recorded["usage/unpriced_calls"], recorded["usage/lm_calls"]) == (
            cost,
            2.0,
            4.0,
        )
        assert _costs_of_traces(run) == cost
        assert _costs_of_spans(run) == {
            "chat priced-by-the-user": [pytest.approx(cost.expected / 2)] * 2,
            "chat served-here": [None] * 2,
        }
        shown = {span.attributes["mlflow.llm.model"] for trace in run.traces for span in trace.walk() if _is_call(span)}
        assert shown == {"priced-by-the-user-2026", "gpt-4o-mini (no price)"}


def test_a_server_with_litellm_prices_no_call_of_unknown_cost() -> None:
    """For a model that LiteLLM's list has and MLflow's has not: MLflow's server asks LiteLLM where it is installed."""
    import litellm  # noqa: PLC0415 - LiteLLM takes seconds, in each pytest process

    model = next(
        name
        for name, entry in cast("dict[str, dict[str, Any]]", litellm.model_cost).items()
        if entry.get("mode") == "chat" and (entry.get("output_cost_per_token") or 0) > 0 and "/" not in name
        if cost_per_token(name, 1, 1) is None and _price_on_a_server(_call_of(name, priced=True)) is not None
    )
    assert _price_on_a_server(_call_of(model)) is None


def _call_of(model: str, *, priced: bool = False) -> LogSpan:
    """A call with tokens and of unknown cost; or a span of another library."""
    span = SpanRecord(
        trace_id="0" * 31 + "1", span_id="0" * 15 + "1", parent_id=None, name="chat", kind="CLIENT",
        start_ns=1_800_000_000_000_000_000, end_ns=1_800_000_001_000_000_000, attributes={},
    )  # fmt: skip
    attributes: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": model,
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
    }
    return LogSpan(
        key=span.span_id, trace_id=span.trace_id, span=span, parent_id=None, attributes=attributes,
        unpriced_model=None if priced else model,
    )  # fmt: skip


def _price_on_a_server(logged: LogSpan) -> object:
    stored = translate_span_when_storing(mlflow_span(logged))["attributes"]
    return stored.get("mlflow.llm.cost")


def _is_call(span: Any) -> bool:
    return span.name.startswith("chat ")


def _costs_of_traces(run: RunNode) -> float:
    # The evaluation's own trace has no calls in it, and no cost.
    costs = (trace.metadata.get("mlflow.trace.cost", '{"total_cost": 0}') for trace in run.traces)
    return sum(json.loads(cost)["total_cost"] for cost in costs)


def _costs_of_spans(run: RunNode) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {}
    for trace in run.traces:
        for span in filter(_is_call, trace.walk()):
            cost = span.attributes.get("mlflow.llm.cost")
            found.setdefault(span.name, []).append(None if cost is None else cost["total_cost"])
    return found
