"""LM call results for DSPy versions without `dspy.clients.execution`, read from the provider's response.

The response is usually litellm's.
`BaseLM._process_lm_response` receives the response of every call; DSPy's typed calls
(`forward_contract = "typed_lm"`) end in `_finalize_lm_response` instead. DSPy 2.6 does not mark cached responses, so
`Cache.get` is wrapped. Attempts and the chunks of a stream are handled inside litellm and are not recorded.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, cast

from otel_dspy.hooks.lm.call_result import read_result
from otel_dspy.hooks.patching.subclasses import wrap_with_subclasses
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.hooks.lm.call_record import LMCallRecord
    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches


class InstrumentedCall(Protocol):
    """An instrumented LM call."""

    cached: object
    """The response from DSPy's cache; None on a cache miss."""
    read: object
    """The response that is being processed. Detects a subclass's method that calls the one that it overrides."""

    def record(self, lm: Any, record: LMCallRecord) -> None:
        """Record the result of a call of `lm`."""
        ...


def install(patches: Patches, current_call: Callable[[], InstrumentedCall | None]) -> None:
    """Wrap the methods in which DSPy processes a response, including overrides in subclasses.

    Args:
        patches: records the wrappers for `undo`.
        current_call: returns the LM call that runs in the current context; None outside of one.
    """
    from dspy.clients.base_lm import BaseLM  # noqa: PLC0415 - dspy is imported when it is instrumented
    from dspy.clients.cache import Cache  # noqa: PLC0415

    def processed(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        response: Any = args[0] if args else kwargs.get("response")
        call = current_call()
        if call is None or call.read is response:
            return _called(wrapped, args, kwargs)
        with guarded("the result of an LM call"):
            call.record(instance, _of_provider(response, from_cache=call.cached is response))
        return _read(call, response, wrapped, args, kwargs)

    def finalized(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        response: Any = args[1] if len(args) > 1 else kwargs.get("response")
        call = current_call()
        if call is None or call.read is response:
            return _called(wrapped, args, kwargs)
        with guarded("the result of an LM call"):
            # A result made of a provider's response has been recorded already.
            if getattr(response, "provider_response", None) is None:
                call.record(instance, _of_dspy(response))
        return _read(call, response, wrapped, args, kwargs)

    def looked_up(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
        found = _called(wrapped, args, kwargs)
        if found is not None:
            with guarded("an answer of DSPy's cache"):
                call = current_call()
                if call is not None:
                    call.cached = found
        return found

    wrap_with_subclasses(patches, BaseLM, "_process_lm_response", lambda _: processed)
    if hasattr(BaseLM, "_finalize_lm_response"):
        wrap_with_subclasses(patches, BaseLM, "_finalize_lm_response", lambda _: finalized)
    patches.wrap(Cache, "get", looked_up)


def _called(wrapped: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
    with hidden_frame:
        return wrapped(*args, **kwargs)


def _read(call: InstrumentedCall, response: object, wrapped: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
    before, call.read = call.read, response
    try:
        return _called(wrapped, args, kwargs)
    finally:
        call.read = before


def _of_provider(response: Any, *, from_cache: bool) -> LMCallRecord:
    hidden: Any = getattr(response, "_hidden_params", None)
    return read_result(
        SimpleNamespace(
            usage=getattr(response, "usage", None),
            raw=response,
            cache_hit=from_cache or getattr(response, "cache_hit", None) is True,
            cost=cast("dict[str, Any]", hidden).get("response_cost") if isinstance(hidden, dict) else None,
        )
    )


def _of_dspy(response: Any) -> LMCallRecord:
    """Read a `dspy.LMResponse`, whose outputs hold the finish reasons and whose id is `response_id`."""
    outputs: Any = getattr(response, "outputs", None)
    first = SimpleNamespace(
        model=getattr(response, "model", None),
        id=getattr(response, "response_id", None),
        choices=outputs if isinstance(outputs, list) else [],
    )
    return read_result(
        SimpleNamespace(
            usage=getattr(response, "usage", None),
            raw=first,
            cache_hit=getattr(response, "cache_hit", False) is True,
            cost=getattr(response, "cost", None),
        )
    )
