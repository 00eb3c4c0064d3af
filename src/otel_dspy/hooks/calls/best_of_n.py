"""Hook for BestOfN and Refine: an `attempt` span for each attempt of the module, with its reward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import wrapt
from opentelemetry.context import get_current
from typing_extensions import override

from otel_dspy.hooks.metric.metric_values import as_score
from otel_dspy.hooks.patching.attribute_probe import AttributeProbe
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_call
from otel_dspy.hooks.patching.wrapper_frames import forwarding, hidden_frame
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.call_context import call_context_in, with_call_context
from otel_dspy.telemetry.spans.attempt import AttemptGate

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry

_REWARD: Final = "reward_fn"


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `forward` of `dspy.BestOfN` and `dspy.Refine`, and their reward function during the call."""
    from dspy.predict.best_of_n import BestOfN  # noqa: PLC0415 - dspy is imported when it is instrumented
    from dspy.predict.refine import OfferFeedback, Refine  # noqa: PLC0415

    def create_hook(_wrapped: Callable[..., Any], instance: Any, _args: Args, _kwargs: Kwargs) -> CallHook:
        return _AttemptsHook(telemetry, instance, OfferFeedback)

    for trying in (BestOfN, Refine):
        patches.wrap(trying, "forward", wrap_call(create_hook))
        patches.replace(trying, _REWARD, AttributeProbe(_REWARD, _observed))


class _AttemptsHook(CallHook):
    part = "the spans of attempts"

    def __init__(self, telemetry: Telemetry, trying: Any, feedback: Any) -> None:
        self._telemetry = telemetry
        self._trying = trying
        self._feedback = feedback

    @override
    def open(self) -> Context:
        context = get_current()
        tried: Any = self._trying.module
        kind = cast("type[Any]", type(tried))

        def begins(called: object) -> bool:
            # Refine calls a predictor of its own for feedback between two attempts.
            return type(called) is kind and getattr(called, "signature", None) is not self._feedback

        self._gate = AttemptGate(self._telemetry, type(self._trying).__name__, id(self._trying), begins)
        return with_call_context(call_context_in(context)._replace(gate=self._gate), context)

    @override
    def close(self, error: BaseException | None) -> None:
        self._gate.close(error)


def _observed(instance: Any, reward: Any) -> Any:
    """Return a reward function that records each attempt's reward inside of `forward`, else the user's."""
    gate = call_context_in(get_current()).gate
    if isinstance(gate, AttemptGate) and gate.key == id(instance):
        return _recorded(reward, gate)
    return reward


def _recorded(reward: Any, gate: AttemptGate) -> Any:
    def rewarded(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
        with hidden_frame:
            try:
                value = wrapped(*args, **kwargs)
            except BaseException as error:
                with guarded("the reward of an attempt"):
                    gate.failed(error)
                raise
        with guarded("the reward of an attempt"):
            gate.rewarded(as_score(value))
        return value

    return wrapt.FunctionWrapper(reward, forwarding(rewarded))
