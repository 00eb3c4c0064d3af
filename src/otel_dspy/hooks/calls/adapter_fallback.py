"""Hook for adapter fallbacks: DSPy could not parse a response and repeats the request with another adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_dspy import semconv
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.enclosing_call import current_call
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.call_context import current_call_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches

_MAKE_FALLBACK: Final = "_make_json_adapter_fallback"
"""Creates the fallback adapter (`dspy/adapters/chat_adapter.py` of 3.4.1); not called for anything else."""


def install(patches: Patches) -> None:
    """Wrap the method that creates DSPy's fallback adapter. If DSPy lacks it, fallbacks are not recorded."""
    from dspy.adapters.chat_adapter import ChatAdapter  # noqa: PLC0415 - dspy is imported when it is instrumented

    if hasattr(ChatAdapter, _MAKE_FALLBACK):
        patches.wrap(ChatAdapter, _MAKE_FALLBACK, _falling_back)


def _falling_back(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    with hidden_frame:
        made = wrapped(*args, **kwargs)
    with guarded("an adapter's fallback"):
        # A module calls its adapter. The current span may be another instrumentation's, around the adapter.
        module = current_call()
        if is_instrumentation_enabled() and current_call_context().predictor is not None and module is not None:
            module.set_attribute(semconv.DSPY_MODULE_FALLBACK, type(made).__name__)
    return made
