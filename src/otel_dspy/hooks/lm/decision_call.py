"""Hook for `dspy.experimental.TypeSafe`, a client of decision requests: a `chat` span for each call.

The client is no `BaseLM`: a predictor with decision outputs calls it with a state and questions, and receives answers.
Source: `dspy/clients/typesafe.py` of dspy 3.4.1.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy.hooks.lm.call import LMHook, current_call
from otel_dspy.hooks.lm.call_budget import check_budget
from otel_dspy.hooks.lm.result import read_result
from otel_dspy.hooks.patching.call_hook import wrap_async_call, wrap_call
from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.json_text import readable_json
from otel_dspy.telemetry.call_context import current_call_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.hooks.patching.call_hook import Args, CallHook, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `TypeSafe.__call__`, `acall` and the method that has the usage; DSPy before 3.4 lacks the class."""
    client = part("dspy.clients.typesafe:TypeSafe")
    if client is None:
        return

    def create_hook(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook:
        check_budget(current_call_context())
        return _DecisionHook(telemetry, instance, bind_arguments(wrapped, args, kwargs))

    patches.wrap(client, "__call__", wrap_call(create_hook))
    patches.wrap(client, "acall", wrap_async_call(create_hook))
    patches.wrap(client, "_finish", _finished)


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
        super().__init__(telemetry, client, text, {"base_url": client.base_url}, attempts_counted=False)

    @override
    def see(self, result: Any) -> None:
        if self._telemetry.messages_wanted:
            self._outputs = [readable_json(result, default=str)]
