"""Keeps MLflow from pricing calls of unknown cost while it writes their spans to a local store.

MLflow prices a span with tokens and without cost when it stores it, and imports LiteLLM for its prices: seconds of CPU
time in the program. A server does that in its own process.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import wrapt

from otel_dspy.mlflow.tracking.store.traces.encoded_attributes import TRANSLATION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator

_PRICE: Final = "calculate_cost_by_model_and_token_usage"


class _Thread(threading.local):
    models: Collection[str] = ()


_thread: Final = _Thread()


@contextmanager
def unpriced(models: Collection[str]) -> Generator[None]:
    """Leave spans of these models without a price in what this thread stores within the block.

    Args:
        models: names of models, as MLflow reads them from the spans.
    """
    _install()
    before = _thread.models
    _thread.models = models
    try:
        yield
    finally:
        _thread.models = before


def _install() -> None:
    module = sys.modules.get(TRANSLATION)
    price: Any = getattr(module, _PRICE, None)
    # If it is missing, MLflow finds no price for these models in LiteLLM's list.
    if price is not None and not isinstance(price, wrapt.FunctionWrapper):
        setattr(module, _PRICE, wrapt.FunctionWrapper(price, _price))


def _price(wrapped: Callable[..., Any], _instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - passes on what MLflow gives
    model = args[0] if args else kwargs.get("model_name")
    return None if model in _thread.models else wrapped(*args, **kwargs)
