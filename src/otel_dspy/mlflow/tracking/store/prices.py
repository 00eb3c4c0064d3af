"""Lookup in MLflow's own price list, which MLflow applies to a language model's span with tokens and without cost."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any, Final

NO_PRICE: Final = " (no price)"
"""Suffix for the name of a model that MLflow would price although its price was unknown to the caller."""


@lru_cache(maxsize=256)
def may_be_priced(model: str) -> bool:
    """Whether a server may have a price for a model of this name.

    MLflow 3.17 has a list; earlier servers use LiteLLM's, which is not imported here: it is large and downloads its
    prices. Without a list any model may have a price.
    """
    look_up: Any = getattr(_module(), "cost_per_token", None)
    return look_up is None or look_up(model, 1, 1) is not None


def _module() -> object:
    try:
        return importlib.import_module("mlflow.utils.providers")
    except ImportError:  # before MLflow 3.9
        return None
