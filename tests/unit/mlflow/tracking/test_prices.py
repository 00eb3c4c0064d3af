from __future__ import annotations

import sys

import pytest

from otel_dspy.mlflow.tracking.store import prices


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
