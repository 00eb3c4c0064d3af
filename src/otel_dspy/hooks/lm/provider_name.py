"""Provider and model name of a language model, `gen_ai.provider.name` and `gen_ai.request.model`."""

from __future__ import annotations

from typing import Any


def full_name(lm: Any) -> str:
    """Return DSPy's name of a language model (`openai/gpt-4o-mini`); the class name if it has none."""
    model = getattr(lm, "model", None)
    return model if isinstance(model, str) and model else type(lm).__name__


def provider_and_model(lm: Any) -> tuple[str, str | None]:
    """Return `gen_ai.provider.name` and `gen_ai.request.model` of an LM, from DSPy's `provider/model`.

    Without a provider prefix the provider is unknown, and the class name in lower case is used.
    """
    model = getattr(lm, "model", None)
    if not isinstance(model, str):
        return type(lm).__name__.lower(), None
    provider, slash, name = model.partition("/")
    return (provider, name) if slash else (type(lm).__name__.lower(), model)
