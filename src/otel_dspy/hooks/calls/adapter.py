"""An adapter's fallback: the answer could not be parsed, and another adapter asks again within the same module call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import get_current_span

from otel_dspy import semconv
from otel_dspy.runtime.guard import guarded
from otel_dspy.telemetry.call_context import current_call_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches

_SEAM: Final = "_make_json_adapter_fallback"
"""Makes the adapter that asks again (`dspy/adapters/chat_adapter.py` of 3.4.1); called for nothing else."""


def install(patches: Patches) -> None:
    """Watch the one place where DSPy falls back. Where it has none of that name, nothing is told of it."""
    from dspy.adapters.chat_adapter import ChatAdapter  # noqa: PLC0415 - dspy is imported when it is instrumented

    if hasattr(ChatAdapter, _SEAM):
        patches.wrap(ChatAdapter, _SEAM, _falling_back)


def _falling_back(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    made = wrapped(*args, **kwargs)
    with guarded("an adapter's fallback"):
        # Directly in a module the current span is that module's.
        if is_instrumentation_enabled() and current_call_context().predictor is not None:
            get_current_span().set_attribute(semconv.DSPY_MODULE_FALLBACK, type(made).__name__)
    return made
