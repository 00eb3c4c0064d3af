from __future__ import annotations

import sys
from typing import Any

import pytest
from mlflow.utils.providers import cost_per_token

from otel_dspy.mlflow.tracking.store.traces import prices


@pytest.mark.parametrize(
    ("model", "priced"), [("gpt-4o-mini", True), ("gpt-4o-mini (no price)", False), ("own", False)]
)
def test_models_of_mlflows_list(model: str, *, priced: bool) -> None:
    """The name that is shown for a model without a price is in no list."""
    prices.may_be_priced.cache_clear()
    assert prices.may_be_priced(model) is priced


def test_without_a_list_any_model_may_have_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow before 3.9 lacks the module, and servers before 3.17 take LiteLLM's prices."""
    prices.may_be_priced.cache_clear()
    monkeypatch.setitem(sys.modules, "mlflow.utils.providers", None)
    assert prices.may_be_priced("own") is True
    prices.may_be_priced.cache_clear()


CALL: dict[str, Any] = {
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}
"""0.15 and 0.60 USD for a million tokens of input and output, 0.075 for input read from a cache."""


@pytest.mark.parametrize(
    ("cost", "more", "parts"),
    [
        (0.00021, {}, (0.00015, 0.00006)),
        (0.00018, {"gen_ai.usage.cache_read.input_tokens": 400}, (0.00012, 0.00006)),
        (0.00021, {"gen_ai.response.model": "own", "gen_ai.request.model": "gpt-4o-mini"}, (0.00015, 0.00006)),
        (0.00042, {}, None),
        (0.00021, {"gen_ai.response.model": "own"}, None),
        (0.00021, {"gen_ai.usage.input_tokens": "many"}, None),
    ],
)
def test_the_parts_of_a_cost(cost: float, more: dict[str, Any], parts: tuple[float, float] | None) -> None:
    """Of input and output, where MLflow's list has the model and the same price."""
    assert cost_per_token("gpt-4o-mini", 1000, 100) == pytest.approx((0.00015, 0.00006))
    assert prices.parts_of(cost, CALL | more) == (None if parts is None else pytest.approx(parts))
