from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from mlflow.utils.providers import cost_per_token

from otel_dspy.mlflow.tracking.store.traces import prices

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _forgotten_prices() -> Iterator[None]:
    prices.may_be_priced.cache_clear()
    yield
    prices.may_be_priced.cache_clear()


@pytest.mark.parametrize(
    ("model", "priced"), [("gpt-4o-mini", True), ("gpt-4o-mini (no price)", False), ("own", False)]
)
def test_models_of_mlflows_list(model: str, *, priced: bool) -> None:
    """The name that is shown for a model without a price is in no list."""
    assert prices.may_be_priced(model) is priced


@pytest.mark.parametrize(
    ("model", "priced"),
    [
        ("only-there", True),
        ("Only-There", True),
        ("openai/only-there", True),
        ("of-a-provider", True),
        ("eu/west/of-a-provider", True),
        ("there", False),
        ("only-there (no price)", False),
        ("max_tokens", False),
        ("only.there", False),
    ],
)
def test_models_of_litellms_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, *, priced: bool) -> None:
    """A server with LiteLLM prices by LiteLLM's list: the names in it, with or without providers, in any case."""
    entry = {"max_tokens": 10, "input_cost_per_token": 1e-6, "litellm_provider": "azure"}
    listed = {"only-there": entry, "azure/eu/west/of-a-provider": entry}
    (tmp_path / "model_prices_and_context_window_backup.json").write_text(json.dumps(listed, indent=4))
    _litellm_in(tmp_path, monkeypatch)
    assert cost_per_token(model, 1, 1) is None
    assert prices.may_be_priced(model) is priced


def test_without_litellms_list_mlflows_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bridge may run without LiteLLM, and a version of it may keep its list elsewhere."""
    _litellm_in(tmp_path, monkeypatch)
    assert prices.may_be_priced("only-there") is False
    _litellm_in(None, monkeypatch)
    assert prices.may_be_priced("only-there too") is False
    assert prices.may_be_priced("gpt-4o-mini") is True


def test_a_stand_in_of_litellm_has_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of programs replace LiteLLM by modules that were never imported from anywhere."""
    monkeypatch.setitem(sys.modules, "litellm", ModuleType("litellm"))
    assert prices.may_be_priced("only-there") is False
    assert prices.may_be_priced("gpt-4o-mini") is True


def _litellm_in(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have LiteLLM installed in a folder, or not at all."""
    spec = ModuleSpec("litellm", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]

    def find_spec(_name: str) -> ModuleSpec | None:
        return None if folder is None else spec

    monkeypatch.setattr("importlib.util.find_spec", find_spec)


def test_without_a_list_any_model_may_have_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow before 3.9 lacks the module, which may be older than its server."""
    monkeypatch.setitem(sys.modules, "mlflow.utils.providers", None)
    assert prices.may_be_priced("own") is True


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
