"""Lookup of MLflow's active span in versions that keep it in OpenTelemetry's own context (MLflow 2 to 3.8).

In those versions a span of another library is MLflow's active span too, which it cannot read:
`mlflow.get_current_active_span` raises TypeError inside it, and spans that MLflow starts below it belong to no trace.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final, cast

from mlflow.tracing import fluent, provider
from opentelemetry import trace
from opentelemetry.context import attach, detach
from wrapt import ObjectProxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

_API: Final = "trace_api"
"""Name of MLflow's reference to `opentelemetry.trace`."""
_START: Final = "start_span_in_context"

IS_SHARED: Final = not hasattr(provider, "get_current_context") and hasattr(fluent, _API) and hasattr(provider, _START)
"""Whether the installed MLflow keeps its active span in OpenTelemetry's context."""


class SharedContext:
    """Makes MLflow use another span as its active one while an otel-dspy span is current.

    Args:
        substitute: returns that span; None = there is none.
    """

    def __init__(self, substitute: Callable[[], trace.Span | None]) -> None:
        self._substitute = substitute
        self._originals: dict[str, Any] = {}

    def install(self) -> None:
        """Install the substitution if MLflow shares OpenTelemetry's context."""
        if not IS_SHARED or self._originals:
            return
        self._originals = {_API: getattr(fluent, _API), _START: getattr(provider, _START)}
        setattr(fluent, _API, _TraceApi(self._originals[_API], self._substitute))
        setattr(provider, _START, self._starting(self._originals[_START]))

    def remove(self) -> None:
        """Restore MLflow's own lookup."""
        if self._originals:
            setattr(fluent, _API, self._originals[_API])
            setattr(provider, _START, self._originals[_START])
            self._originals = {}

    def _starting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def start_span_in_context(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever MLflow's does
            parent = self._substitute()
            if parent is None:
                return original(*args, **named)
            token = attach(trace.set_span_in_context(parent))
            try:
                return original(*args, **named)
            finally:
                detach(token)

        return start_span_in_context


class _TraceApi(cast("type[Any]", ObjectProxy)):  # wrapt has no types
    """`opentelemetry.trace` with a substituted active span, for MLflow's fluent API."""

    def __init__(self, api: Any, substitute: Callable[[], trace.Span | None]) -> None:  # noqa: ANN401 - a module
        super().__init__(api)  # pyright: ignore[reportUnknownMemberType] - the same
        self._self_substitute = substitute

    def get_current_span(self, context: Context | None = None) -> trace.Span:
        """MLflow's active span."""
        return self._self_substitute() or trace.get_current_span(context)
