"""Hooks for clients of decision requests, `dspy.experimental.TypeSafe` and the user's own: a `chat` span for each call.

Such a client is no `BaseLM`: a predictor with decision outputs calls it with a state and questions, and receives
answers. Any object whose `supports_decision_requests` is True is one; only DSPy's calls of it can be observed, in
`DecisionAdapter`. Source: `dspy/clients/typesafe.py` and `dspy/adapters/decision.py` of dspy 3.4.1.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override
from wrapt import FunctionWrapper

from otel_dspy.hooks.lm.call import LMHook, current_call
from otel_dspy.hooks.lm.call_budget import check_budget
from otel_dspy.hooks.lm.call_result import read_result
from otel_dspy.hooks.patching.call_hook import wrap_async_call, wrap_async_override, wrap_call
from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.hooks.patching.subclasses import wrap_with_subclasses
from otel_dspy.hooks.patching.wrapper_frames import forwarding, hidden_frame
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.json_text import readable_json
from otel_dspy.telemetry.call_context import current_call_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.hooks.patching.call_hook import Args, CallHook, CallHookFactory, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `TypeSafe`'s calls, its method that has the usage, and the adapter's calls; DSPy before 3.4 has none."""
    client = part("dspy.clients.typesafe:TypeSafe")
    adapter = part("dspy.adapters.decision:DecisionAdapter")
    if client is None or adapter is None:
        return

    def create_hook(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
        call_context = current_call_context()
        running = call_context.lm_call
        if isinstance(running, LMHook) and running.has_part(instance):
            return None
        check_budget(call_context)
        return _DecisionHook(telemetry, instance, bind_arguments(wrapped, args, kwargs))

    wrap_with_subclasses(patches, client, "__call__", lambda _: wrap_call(create_hook))
    wrap_with_subclasses(patches, client, "acall", lambda own: wrap_async_override(create_hook, own))
    patches.wrap(client, "_finish", _finished)
    clients = _OtherClients(client, create_hook)
    patches.wrap(adapter, "__call__", clients.called)
    patches.wrap(adapter, "acall", clients.awaited)


class _OtherClients:
    """Wrappers of `DecisionAdapter`'s methods, which record the calls of the client if it has no wrapper of its own.

    Args:
        known: the class of DSPy's client.
        create_hook: creates the hook of a call.
    """

    def __init__(self, known: type[Any], create_hook: CallHookFactory) -> None:
        from dspy.clients.base_lm import BaseLM  # noqa: PLC0415 - dspy is imported when it is instrumented

        self._recorded_elsewhere = (BaseLM, known)
        self._create_hook = create_hook

    def called(self, wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        """Call the adapter with a client whose calls are recorded."""
        with guarded("the client of a decision request"):
            if self._is_unrecorded(instance, args):
                client = args[0]
                args = (FunctionWrapper(client, forwarding(wrap_call(self._hook_for(client, client)))), *args[1:])
        with hidden_frame:
            return wrapped(*args, **kwargs)

    def awaited(self, wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        """Call the adapter's async method with a client whose calls are recorded."""
        with guarded("the client of a decision request"):
            if self._is_unrecorded(instance, args) and (own := getattr(args[0], "acall", None)) is not None:
                wrapper = forwarding(wrap_async_call(self._hook_for(args[0], own)))
                args = (SimpleNamespace(acall=FunctionWrapper(own, wrapper)), *args[1:])
        with hidden_frame:
            return wrapped(*args, **kwargs)

    def _is_unrecorded(self, adapter: Any, args: Args) -> bool:
        return bool(args) and adapter.system_one and not isinstance(args[0], self._recorded_elsewhere)

    def _hook_for(self, client: Any, function: Callable[..., Any]) -> CallHookFactory:
        return lambda _wrapped, _instance, args, kwargs: self._create_hook(function, client, args, kwargs)


def _finished(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    with guarded("the result of a decision request"):
        call = current_call()
        if call is not None:
            given: Kwargs = bind_arguments(wrapped, args, kwargs)
            response, hit = given["response"], given["cache_hit"]
            result = SimpleNamespace(
                usage=None if hit else response["usage"], response_model=response["model"], cache_hit=hit
            )
            call.record(instance, read_result(result))
    with hidden_frame:
        return wrapped(*args, **kwargs)


class _DecisionHook(LMHook):
    """Records the state and the questions as the message that was sent, and the answers as the model's, in JSON."""

    part = "the span of a decision request"

    def __init__(self, telemetry: Telemetry, client: Any, request: Kwargs) -> None:
        text: tuple[str, ...] = ()
        if telemetry.messages_wanted:
            with guarded("the request of a decision"):
                text = (readable_json(request, default=str),)
        super().__init__(
            telemetry, client, text, {"base_url": getattr(client, "base_url", None)}, attempts_counted=False
        )

    @override
    def record_result(self, result: Any) -> None:
        if self._telemetry.messages_wanted:
            self._outputs = [readable_json(result, default=str)]
