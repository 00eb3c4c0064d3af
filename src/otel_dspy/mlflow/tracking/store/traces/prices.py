"""Lookup in MLflow's own price list, which MLflow applies to a language model's span with tokens and without cost."""

from __future__ import annotations

import importlib
import inspect
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.mapping.traces.trace_attributes import MODEL_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_PRICE: Final = " (no price)"
"""Suffix for the name of a model that MLflow would price although its price was unknown to the caller."""
_CACHED: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Arguments of MLflow's function, those of `_TOKENS` that are part of the input."""
_TOKENS: Final = (
    "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens",
)  # fmt: skip
_TOLERANCE: Final = 1e-6


@lru_cache(maxsize=256)
def may_be_priced(model: str) -> bool:
    """Whether a server may have a price for a model of this name.

    MLflow 3.17 has a list; earlier servers use LiteLLM's, which is not imported here: it is large and downloads its
    prices. Without a list any model may have a price.
    """
    look_up: Any = getattr(_module(), "cost_per_token", None)
    return look_up is None or look_up(model, 1, 1) is not None


def parts_of(cost: float, attributes: Mapping[str, object]) -> tuple[float, float] | None:
    """Return the costs of a call's input and output in USD; None if MLflow's price list does not have that cost.

    Args:
        cost: what the call cost, in USD.
        attributes: the attributes of its span.
    """
    given, got, read, written = (attributes.get(name) or 0 for name in _TOKENS)
    if not (isinstance(given, int) and isinstance(got, int) and isinstance(read, int) and isinstance(written, int)):
        return None
    for key in MODEL_NAMES:
        model = attributes.get(key)
        rates = _rates(model) if isinstance(model, str) else None
        if rates is not None:
            counts = (given - read - written, read, written)
            spent = sum(tokens * rate for tokens, rate in zip(counts, rates, strict=False))
            if math.isclose(spent + got * rates[3], cost, rel_tol=_TOLERANCE):
                return cost - got * rates[3], got * rates[3]
    return None


@lru_cache(maxsize=256)
def _rates(model: str) -> tuple[float, float, float, float] | None:
    """Return the prices of a token in USD: input, input read from a cache, input written to a cache, output."""
    look_up: Any = getattr(_module(), "cost_per_token", None)
    if look_up is None:
        return None
    known: Any = look_up(model, 1, 1)
    if known is None:
        return None
    names = inspect.signature(look_up).parameters
    read, written = (look_up(model, 1, 0, **{name: 1})[0] if name in names else known[0] for name in _CACHED)
    return float(known[0]), float(read), float(written), float(known[1])


def _module() -> object:
    try:
        return importlib.import_module("mlflow.utils.providers")
    except ImportError:  # before MLflow 3.9
        return None
