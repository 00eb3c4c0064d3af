"""Calls that MLflow prices wrongly by its own list: traces have the cost that DSPy knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dspy
import pytest
from mlflow import MlflowClient
from mlflow.utils.providers import cost_per_token
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.support.blank_store import blank_store
from tests.support.lm_server import Reply, scripted_lm

if TYPE_CHECKING:
    from pathlib import Path

DELIVERY: Final = 120_000
"""Milliseconds."""
MANY: Final = 300_000
"""Tokens of a prompt whose price differs from that of a short one."""


def _cost_of_a_call(folder: Path, model: str) -> float:
    """By its trace in MLflow."""
    store = blank_store(folder)
    processor = MlflowSpanProcessor(tracking_uri=store, experiment="prices")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    DSPyInstrumentor().instrument(tracer_provider=provider)
    try:
        with scripted_lm(lambda _: Reply("Ulm.", input_tokens=MANY, output_tokens=0)) as server:
            lm: Any = dspy.LM(model, api_base=server.api_base, api_key="k", cache=False, num_retries=0)
            lm("Where?")
    finally:
        DSPyInstrumentor().uninstrument()
    assert processor.force_flush(DELIVERY)
    processor.shutdown()
    client: Any = MlflowClient(store)
    experiment = client.get_experiment_by_name("prices").experiment_id
    (trace,) = client.search_traces(locations=[experiment], include_spans=False)
    return trace.info.cost["total_cost"]


@pytest.mark.parametrize(
    ("model", "cost", "by_mlflow"),
    [("openai/gpt-5.4", 1.5, 0.75), ("mistral/mistral-large-latest", 0.15, 2.4)],
    ids=["a long prompt", "a provider that MLflow does not know by its name in the conventions"],
)
def test_the_cost_is_the_one_that_dspy_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, cost: float, by_mlflow: float
) -> None:
    """MLflow's own price of such a call is another one."""
    monkeypatch.setattr("tests.support.lm_server.SERVED_MODEL_SUFFIX", "")  # a name that price lists have
    assert cost_per_token(model.partition("/")[2], MANY, 0) == (pytest.approx(by_mlflow), 0)
    assert _cost_of_a_call(tmp_path, model) == pytest.approx(cost)
