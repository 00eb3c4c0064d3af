"""Calls of unknown cost are stored without a price, and without LiteLLM's price list."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient
from mlflow.tracing.otel import translation

from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.traces.unpriced_models import unpriced
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

TRACE = "0123456789abcdef0123456789abcdef"
PRICE = "calculate_cost_by_model_and_token_usage"


@pytest.fixture
def priced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that MLflow looks up a price for."""
    found: list[str] = []

    def price(model_name: str, *_: object) -> dict[str, float]:
        found.append(model_name)
        return {"input_cost": 1.0, "output_cost": 2.0, "total_cost": 3.0}

    monkeypatch.setattr(translation, PRICE, price)
    return found


def call(model: str, span_id: str, *, unpriced_model: str | None) -> LogSpan:
    """A call of a model with tokens and without cost."""
    span = SpanRecord(
        trace_id=TRACE, span_id=span_id, parent_id=None, name="chat", kind="CLIENT",
        start_ns=1_800_000_000_000_000_000, end_ns=1_800_000_001_000_000_000, attributes={},
    )  # fmt: skip
    attributes: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.model": model,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
    }
    return LogSpan(
        key=span_id, trace_id=TRACE, span=span, parent_id=None, attributes=attributes, unpriced_model=unpriced_model
    )


def test_only_other_calls_are_priced(tmp_path: Path, priced: list[str]) -> None:
    """One model has a price in MLflow's list, and gets the name of one without; another library's span is priced."""
    uri = blank_store(tmp_path)
    experiment = MlflowClient(uri).create_experiment("unpriced", artifact_location=str(tmp_path / "artifacts"))
    calls = [
        call("own", "0123456789abcde0", unpriced_model="own"),
        call("gpt-4o-mini", "0123456789abcde1", unpriced_model="gpt-4o-mini"),
        call("another", "0123456789abcde2", unpriced_model=None),
    ]
    Store(uri).traces.log_spans(experiment, calls)
    assert priced == ["another"]
    client: Any = MlflowClient(uri)
    costs = {span.span_id: span.get_attribute("mlflow.llm.cost") for span in client.get_trace(f"tr-{TRACE}").data.spans}
    assert costs == {
        "0123456789abcde0": None,
        "0123456789abcde1": None,
        "0123456789abcde2": {"input_cost": 1.0, "output_cost": 2.0, "total_cost": 3.0},
    }


def test_afterwards_and_by_others_the_model_is_priced(priced: list[str]) -> None:
    """What the program itself stores keeps MLflow's price."""
    price: Any = None
    with unpriced({"own"}):
        price = getattr(translation, PRICE)
        assert price("own", {}, None) is None
    price("own", {}, None)
    getattr(translation, PRICE)(model_name="own")
    assert priced == ["own", "own"]


def test_without_mlflows_module_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of a server stores nothing itself."""
    monkeypatch.delitem(sys.modules, "mlflow.tracing.otel.translation")
    with unpriced({"own"}):
        pass
    assert "mlflow.tracing.otel.translation" not in sys.modules
