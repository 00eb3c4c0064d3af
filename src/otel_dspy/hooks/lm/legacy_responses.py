"""The facts of an LM call before `dspy.clients.execution`: read from the provider's response, litellm's as a rule.

`BaseLM._process_lm_response` has it for every call; DSPy's typed calls (`forward_contract = "typed_lm"`) end in
`_finalize_lm_response` instead. DSPy 2.6 marks no answer of its cache, so the cache is listened to. Attempts are made
inside litellm, and chunks of a stream go to the listener from there: neither is known here.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, cast

from otel_dspy.hooks.lm.result import read_result
from otel_dspy.hooks.patching.frames import drop_caller_frame
from otel_dspy.hooks.patching.subclasses import wrap_with_subclasses
from otel_dspy.runtime.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.hooks.lm.result import CallFacts
    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches


class Hearing(Protocol):
    """A call that is watched."""

    cached: object
    """What DSPy's cache answered to it, None if nothing."""
    read: object
    """The response that is being read: a subclass's method calls the one that it overrides."""

    def told(self, lm: Any, facts: CallFacts) -> None:
        """The call's facts are known, of this LM."""
        ...


def install(patches: Patches, current_call: Callable[[], Hearing | None]) -> None:
    """Watch where DSPy has a response in hand, also in subclasses.

    Args:
        patches: takes in what is done.
        current_call: the call that runs where it is asked, None outside of one.
    """
    from dspy.clients.base_lm import BaseLM  # noqa: PLC0415 - dspy is imported when it is instrumented
    from dspy.clients.cache import Cache  # noqa: PLC0415

    def processed(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        response: Any = args[0] if args else kwargs.get("response")
        call = current_call()
        if call is None or call.read is response:
            return _called(wrapped, args, kwargs)
        with guarded("the facts of an LM call"):
            call.told(instance, _of_provider(response, from_cache=call.cached is response))
        return _read(call, response, wrapped, args, kwargs)

    def finalized(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        response: Any = args[1] if len(args) > 1 else kwargs.get("response")
        call = current_call()
        if call is None or call.read is response:
            return _called(wrapped, args, kwargs)
        with guarded("the facts of an LM call"):
            # Made of a provider's response it has been told already.
            if getattr(response, "provider_response", None) is None:
                call.told(instance, _of_dspy(response))
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
    try:
        return wrapped(*args, **kwargs)
    except BaseException as error:
        drop_caller_frame(error)
        raise


def _read(call: Hearing, response: object, wrapped: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
    before, call.read = call.read, response
    try:
        return _called(wrapped, args, kwargs)
    finally:
        call.read = before


def _of_provider(response: Any, *, from_cache: bool) -> CallFacts:
    hidden: Any = getattr(response, "_hidden_params", None)
    return read_result(
        SimpleNamespace(
            usage=getattr(response, "usage", None),
            raw=response,
            cache_hit=from_cache or getattr(response, "cache_hit", None) is True,
            cost=cast("dict[str, Any]", hidden).get("response_cost") if isinstance(hidden, dict) else None,
        )
    )


def _of_dspy(response: Any) -> CallFacts:
    """Of a `dspy.LMResponse`, whose outputs have the finish reasons and whose id is `response_id`."""
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
