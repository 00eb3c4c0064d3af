"""Parameters of a language model and settings of its requests, by allowlists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.serialization.plain_data import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

LM_PARAMETERS: Final = (
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "top_p",
    "top_k",
    "n",
    "seed",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "rollout_id",
)
"""Keywords of an LM that are recorded. An allowlist, because other keywords may hold a key or a header."""

REQUEST_SETTINGS: Final = (
    "rollout_id",
    "response_format",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "max_completion_tokens",
    "reasoning_effort",
    "reasoning",
    "tool_choice",
    "parallel_tool_calls",
    "verbosity",
)
"""Keywords of a request without an attribute in the GenAI conventions that change the answer. An allowlist too."""
_REQUEST_SETTINGS: Final = frozenset(REQUEST_SETTINGS)


def request_settings(keywords: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that `dspy.lm.request.settings` has; containers are copied, classes are kept."""
    if _REQUEST_SETTINGS.isdisjoint(keywords):
        return {}  # most requests
    given = {name: keywords[name] for name in REQUEST_SETTINGS if keywords.get(name) is not None}
    return {name: value if isinstance(value, type) else bounded(value) for name, value in given.items()}


def as_schemas(settings: Mapping[str, object]) -> dict[str, object]:
    """Replace classes (pydantic models as `response_format`) by their name and JSON schema."""
    return {name: _schema(value) if isinstance(value, type) else value for name, value in settings.items()}


def _schema(cls: type) -> dict[str, object]:
    schema = getattr(cls, "model_json_schema", None)
    return {"name": cls.__name__, "schema": schema() if callable(schema) else None}


def lm_parameters(lm: Any) -> dict[str, object]:
    """Return the recorded parameters of a language model, without keys, headers or addresses."""
    keywords = cast("Mapping[str, object]", getattr(lm, "kwargs", None) or {})
    settings: dict[str, object] = {name: keywords[name] for name in LM_PARAMETERS if keywords.get(name) is not None}
    for name in ("model_type", "cache", "num_retries"):
        value = getattr(lm, name, None)
        if isinstance(value, bool | int | str):
            settings[name] = value
    return settings
