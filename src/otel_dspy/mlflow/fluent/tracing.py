"""Shared traces of DSPy's calls and MLflow's fluent tracing: `@mlflow.trace`, `start_span`, `update_current_trace`.

MLflow keeps its active span in its own context. A DSPy call inside such a span joins its trace. Inside a DSPy call
MLflow finds a placeholder for the otel-dspy span as its active one, created on lookup. The placeholder is never
exported: updates of its trace (tags, session, user) are read when the call ends and logged with the trace.

All of MLflow's internals are looked up by name; the features that a version lacks are disabled.
"""

from __future__ import annotations

import weakref
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from mlflow.tracing import fluent, provider
from mlflow.tracing.trace_manager import InMemoryTraceManager
from opentelemetry import trace
from opentelemetry.trace import format_span_id

from otel_dspy.mlflow import autologging_conflict
from otel_dspy.mlflow.fluent import carried_context
from otel_dspy.mlflow.fluent.evaluated_request import evaluated_request_id
from otel_dspy.mlflow.fluent.placeholder_spans import PREFIX, manager
from otel_dspy.mlflow.fluent.scope import is_disabled
from otel_dspy.mlflow.fluent.scorers import watch_scorers
from otel_dspy.mlflow.fluent.shared_context import SharedContext
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

SHARES_TRACES: Final = capabilities.TRACES and hasattr(InMemoryTraceManager, "get_mlflow_trace_id_from_otel_id")
"""Whether this MLflow uses OpenTelemetry's trace ids, so that otel-dspy's spans can join its traces."""


class ActiveSpan(NamedTuple):
    """MLflow's active span."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""
    experiment_id: str | None


def is_enabled() -> bool:
    """Whether MLflow's tracing is enabled.

    `mlflow.tracing.disable()`, `mlflow.tracing.context(enabled=False)` and MLflow's own trial calls disable it.
    """
    enabled: Callable[[], bool] | None = getattr(provider, "is_tracing_enabled", None)
    return (enabled is None or enabled()) and not is_disabled()


def active_span(parent: SpanContext | None) -> ActiveSpan | None:
    """Return MLflow's span around the caller, if its trace can be joined.

    Args:
        parent: the parent of the caller's span in OpenTelemetry's context, which MLflow also uses if configured so.
    """
    if not SHARES_TRACES:
        return None
    traces = manager()
    for found in (own_context_span(), parent):
        if found is None:
            continue
        trace_id: str | None = traces.get_mlflow_trace_id_from_otel_id(found.trace_id)
        if trace_id is None or trace_id != f"{PREFIX}{found.trace_id:032x}":
            continue
        with traces.get_trace(trace_id) as held:
            location = getattr(getattr(held, "info", None), "trace_location", None)
        experiment = getattr(getattr(location, "mlflow_experiment", None), "experiment_id", None)
        return ActiveSpan(f"{found.trace_id:032x}", format_span_id(found.span_id), experiment)
    return None


def announce(trace_id: str) -> None:
    """Make a trace the one that `mlflow.get_last_active_trace_id` and MLflow's evaluation return.

    Called at its start, on the user's thread: the call may return before its deferred end.
    """
    if not SHARES_TRACES:
        return
    announced: Callable[[str], None] | None = getattr(fluent, "_set_last_active_trace_id", None)
    if announced is not None:
        announced(f"{PREFIX}{trace_id}")
    evaluated: dict[str, str] | None = getattr(fluent, "_EVAL_REQUEST_ID_TO_TRACE_ID", None)
    if evaluated is None:
        return
    request_id = evaluated_request_id()
    if request_id is not None:
        evaluated[request_id] = f"{PREFIX}{trace_id}"


def own_context_span() -> SpanContext | None:
    """Return the span in MLflow's own context."""
    runtime: Any = getattr(provider, "mlflow_runtime_context", None)
    if runtime is None:
        return None
    found = trace.get_current_span(runtime.get_current()).get_span_context()
    return found if found.is_valid else None


class Source(Protocol):
    """Provider of otel-dspy's spans."""

    def placeholder_span(self, span: SpanContext) -> trace.Span | None:
        """Return the span that MLflow uses as its active one while this one is current.

        None if it is not a span of otel-dspy and not in a call, or if a span of MLflow is active inside the call.
        """
        ...

    def deliver(self, trace_id: str) -> None:
        """Wait for the delivery of a trace, 32 hex digits, if otel-dspy spans in it may not have been delivered."""
        ...


def connect(source: Source) -> None:
    """Make a source's spans visible to MLflow as active ones, and disable MLflow's own tracing of DSPy."""
    with _gate:
        _sources.add(source)
        _lookup.install()
        _shared.install()
        _requests.install()
        carried_context.carry()
        autologging_conflict.keep_off()
        watch_scorers()


def disconnect(source: Source) -> None:
    """Undo `connect`; without any source MLflow's behavior is restored."""
    with _gate:
        _sources.discard(source)
        if not _sources:
            _lookup.remove()
            _shared.remove()
            _requests.remove()
            carried_context.carry_no_more()
            autologging_conflict.allow()


def _substitute() -> trace.Span | None:
    """Return the span that MLflow uses as its active one; None = otel-dspy has none for it."""
    with guarded("MLflow's fluent tracing"):
        ours = trace.get_current_span().get_span_context()
        if ours.is_valid:
            for source in list(_sources):
                span = source.placeholder_span(ours)
                if span is not None:
                    return span
    return None


class _ContextLookup:
    """MLflow's `get_current_context`, extended with the otel-dspy span while that is the innermost one."""

    _NAME: Final = "get_current_context"

    def __init__(self) -> None:
        self._original: Callable[[], Context | None] | None = None

    def install(self) -> None:
        if self._original is None and SHARES_TRACES:
            self._original = getattr(provider, self._NAME, None)
            if self._original is not None:
                setattr(provider, self._NAME, self._current)

    def remove(self) -> None:
        if self._original is not None and getattr(provider, self._NAME) == self._current:
            setattr(provider, self._NAME, self._original)
            self._original = None

    def _current(self) -> Context | None:
        theirs = None if self._original is None else self._original()
        span = _substitute()
        return theirs if span is None else trace.set_span_in_context(span, theirs)


class _TraceRequests:
    """MLflow's methods that read or update a trace, wrapped to wait for delivery first.

    Users of MLflow's autolog may read a trace, or log feedback on it, right after the call.
    """

    _METHODS: Final = ("get_trace", "get_trace_info", "log_assessment", "set_trace_tag", "set_trace_tags")

    def __init__(self) -> None:
        self._originals: dict[str, Callable[..., Any]] = {}

    def install(self) -> None:
        if not self._originals and SHARES_TRACES:
            from mlflow.tracing.client import TracingClient  # noqa: PLC0415 - MLflow 2 has none

            own: dict[str, Any] = dict(vars(TracingClient))
            self._originals = {name: own[name] for name in self._METHODS if name in own}
            for name, original in self._originals.items():
                setattr(TracingClient, name, _delivering(original))

    def remove(self) -> None:
        if not self._originals:
            return
        from mlflow.tracing.client import TracingClient  # noqa: PLC0415 - MLflow 2 has none

        for name, original in self._originals.items():
            setattr(TracingClient, name, original)
        self._originals = {}


def _delivering(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def request(client: object, trace_id: object, *more: Any, **named: Any) -> Any:  # noqa: ANN401 - whichever it is
        with guarded("a wait for a trace"):
            if isinstance(trace_id, str) and trace_id.startswith(PREFIX):
                for source in list(_sources):
                    source.deliver(trace_id.removeprefix(PREFIX))
        return original(client, trace_id, *more, **named)

    return request


_gate: Final = ForkGate()
_sources: Final[weakref.WeakSet[Source]] = weakref.WeakSet()
_lookup: Final = _ContextLookup()
_shared: Final = SharedContext(_substitute)
_requests: Final = _TraceRequests()
