"""MLflow's context on DSPy's threads: calls there join the trace that is active, and have the values of its scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.tracing import provider

from otel_dspy.mlflow.fluent.scope import carried_scope
from otel_dspy.runtime import thread_contexts

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context


def carry() -> None:
    """Capture both for each thread that DSPy starts from now on."""
    for capture in (_carried_context, carried_scope):
        thread_contexts.register(capture)


def carry_no_more() -> None:
    """Undo `carry`."""
    for capture in (_carried_context, carried_scope):
        thread_contexts.unregister(capture)


def _carried_context() -> Callable[[], Callable[[], None]] | None:
    """Capture MLflow's own context for a thread of DSPy's, whose calls then join the trace that is active here."""
    runtime: Any = getattr(provider, "mlflow_runtime_context", None)
    if runtime is None:
        return None
    context: Context = runtime.get_current()
    if not context:
        return None

    def attach() -> Callable[[], None]:
        token = runtime.attach(context)
        return lambda: runtime.detach(token)

    return attach
