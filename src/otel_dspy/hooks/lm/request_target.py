"""Model and server of a language model's requests, determined once for all calls of the same model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_dspy.hooks.lm.provider_name import full_name, provider_and_model
from otel_dspy.telemetry.secrets.scrubber import host_and_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.telemetry.genai.inference_template import Request

MAX_TARGETS: Final = 256
"""Maximum number of cached targets; beyond it the cache is cleared."""
_known: Final[dict[object, RequestTarget]] = {}


class RequestTarget(NamedTuple):
    """What the requests of a language model have in common.

    Attributes:
        request: model, provider, server and operation; must not be changed.
        name: DSPy's name of the model (see `full_name`).
    """

    request: Request
    name: str


def request_target(lm: Any, keywords: Mapping[str, Any]) -> RequestTarget:
    """Return the target of a call.

    Args:
        lm: the language model.
        keywords: of the call and the model.
    """
    model = getattr(lm, "model", None)
    address = str(keywords.get("api_base") or keywords.get("base_url") or "")
    operation = "text_completion" if getattr(lm, "model_type", None) == "text" else "chat"
    key = (type(lm).__name__, model if isinstance(model, str) else None, address, operation)
    found = _known.get(key)
    if found is None:
        if len(_known) >= MAX_TARGETS:
            _known.clear()
        found = _known[key] = _target(lm, address, operation)
    return found


def _target(lm: Any, address: str, operation: str) -> RequestTarget:
    provider, model = provider_and_model(lm)
    host, port = host_and_port(address)
    request: Request = {
        "provider": provider,
        "request_model": model,
        "server_address": host,
        "server_port": port,
        "operation_name": operation,
    }
    return RequestTarget(request, full_name(lm))
