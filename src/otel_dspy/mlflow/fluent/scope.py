"""Values that `mlflow.tracing.context` sets for the traces that start within its scope.

MLflow reads them when it starts a trace of its own; a trace of otel-dspy's takes them from here.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.records.route import TraceUpdate
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import ContextVar

_MODULE: Final = "mlflow.tracing.context"
"""MLflow's module, which its function of the same name hides; older versions have neither."""
_current: Final[ContextVar[Any] | None] = (
    getattr(importlib.import_module(_MODULE), "_USER_TRACE_CONTEXT", None) if find_spec(_MODULE) else None
)


def is_disabled() -> bool:
    """Whether the innermost scope that decides it has disabled tracing."""
    scope = None if _current is None else _current.get()
    return getattr(scope, "enabled", None) is False


def carried_scope() -> Callable[[], Callable[[], None]] | None:
    """Capture the scope for a thread of DSPy's, whose traces then have its values."""
    scope = None if _current is None else _current.get()
    if _current is None or scope is None:
        return None
    variable = _current

    def attach() -> Callable[[], None]:
        token = variable.set(scope)
        return lambda: variable.reset(token)

    return attach


class ScopedTraces:
    """Values of the scopes in which the traces that are open have started. Thread-safe.

    Args:
        most: maximum number of traces; the oldest one is forgotten beyond it.
    """

    def __init__(self, most: int) -> None:
        self._updates: BoundedDict[str, TraceUpdate] = BoundedDict(most)

    def started(self, trace_id: str) -> None:
        """Keep the values of the current scope, if any, for a trace that starts."""
        scope = None if _current is None else _current.get()
        metadata, tags = _pairs(scope, "metadata"), _pairs(scope, "tags")
        if metadata or tags:
            self._updates[trace_id] = TraceUpdate(metadata=metadata, tags=tags)

    def ended(self, trace_id: str, update: TraceUpdate | None) -> TraceUpdate | None:
        """Return the values of a trace that ends; those that the program has set within it go before."""
        found = self._updates.pop(trace_id, None)
        if found is None or update is None:
            return update or found
        return replace(
            update,
            metadata=tuple((dict(found.metadata) | dict(update.metadata)).items()),
            tags=tuple((dict(found.tags) | dict(update.tags)).items()),
        )


def _pairs(scope: object, name: str) -> tuple[tuple[str, str], ...]:
    found: dict[object, object] = getattr(scope, name, None) or {}
    return tuple((str(key), str(value)) for key, value in found.items())
