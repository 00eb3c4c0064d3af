"""Lookups in the price lists that MLflow applies to a language model's span with tokens and without cost.

MLflow 3.17 uses LiteLLM's list where LiteLLM is installed and its own where it is not, with the model's name and then,
if that fails, without the provider's (`calculate_cost_by_model_and_token_usage` of `mlflow/tracing/utils`).
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import re
from functools import lru_cache
from pathlib import Path
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
_LITELLMS_LIST: Final = "model_prices_and_context_window_backup.json"
"""File in the package `litellm`: an object with an entry for each model."""


@lru_cache(maxsize=256)
def may_be_priced(model: str) -> bool:
    """Whether a server may have a price for a model of this name.

    A server may have LiteLLM, whose list has names that MLflow's lacks, so both lists are read: MLflow's, and the file
    of LiteLLM where that is installed here. LiteLLM itself is not imported: it is large and downloads its prices.
    Without MLflow's list (before 3.9) any model may have a price. A server's LiteLLM may still have a price for a name
    in neither file, from a newer list; and it prices any `claude-` name that its list lacks at 0.
    """
    look_up: Any = getattr(_module(), "cost_per_token", None)
    return look_up is None or look_up(model, 1, 1) is not None or _in_litellms_list(model)


def _in_litellms_list(model: str) -> bool:
    """Search LiteLLM's file for the name, with or without providers, in any case, as LiteLLM does.

    The text is searched, not parsed: it has some 3 MB.
    """
    try:
        found = importlib.util.find_spec("litellm")
    except ValueError:  # a stand-in of LiteLLM without a spec
        return False
    for folder in (found and found.submodule_search_locations) or ():
        try:
            listed = (Path(folder) / _LITELLMS_LIST).read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        name = re.escape(model.split("/", 1)[-1])
        return re.search(rf'["/]{name}"\s*:\s*\{{', listed, re.IGNORECASE) is not None
    return False


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
    except ImportError:  # before MLflow 3.8
        return None
