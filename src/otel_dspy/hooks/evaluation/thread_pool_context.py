"""Context propagation into DSPy's thread pools, and instrumentation of an evaluation's examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import attach, detach, get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_dspy.hooks.evaluation.example import instrument_examples
from otel_dspy.hooks.evaluation.metric_call import with_instrumented_metric
from otel_dspy.hooks.patching.wrapper_frames import forwarding, hidden_frame
from otel_dspy.runtime import thread_contexts
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.call_context import call_context_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `ParallelExecutor.execute(function, data)`, which Evaluate, Parallel and Module.batch use."""
    from dspy.utils.parallelizer import ParallelExecutor  # noqa: PLC0415 - dspy is imported when it is instrumented

    def execute(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
        if not is_instrumentation_enabled():
            with hidden_frame:
                return wrapped(*args, **kwargs)
        function, data = _arguments(*args, **kwargs)
        carrying, items = function, data
        with guarded("carrying the context into threads"):
            context = get_current()
            evaluation = call_context_in(context).evaluation
            if evaluation is not None:
                instrumented = with_instrumented_metric(function) if evaluation.program is None else None
                evaluation.metric_is_instrumented = instrumented is not None
                carrying, items = instrument_examples(telemetry, evaluation, instrumented or function, data)
            else:
                carrying = _carried(function, context)
        with hidden_frame:
            return wrapped(carrying, items)

    patches.wrap(ParallelExecutor, "execute", execute)


def _arguments(function: Callable[[Any], Any], data: Sequence[Any]) -> tuple[Callable[[Any], Any], Sequence[Any]]:
    return function, data


def _carried(function: Callable[[Any], Any], context: Context) -> Callable[[Any], Any]:
    others = thread_contexts.CapturedContexts()

    def carried(item: Any) -> Any:
        token = attach(context)
        attached = others.attach()
        try:
            with hidden_frame:
                return function(item)
        finally:
            thread_contexts.detach(attached)
            detach(token)

    return forwarding(carried)
