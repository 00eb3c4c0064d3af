"""Routing of spans to traces and destinations, decided at span start.

A span has the destination of its trace's root. The root of an example has the destination of the evaluation that it
links to. So a change of MLflow's settings during a compile does not split it.

A root is a *local* root: a span outside all other calls, whose parent, if any, was created by another library or
process. Two local roots may share an OpenTelemetry trace, which MLflow cannot show, so each gets an MLflow trace of its
own. Inside a call a span below another library's span is a child of the call.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.trace import format_span_id, format_trace_id

from otel_dspy import semconv as sc
from otel_dspy.mlflow.fluent import tracing as fluent_tracing
from otel_dspy.mlflow.fluent.placeholder_spans import PlaceholderSpans
from otel_dspy.mlflow.fluent.shared_context import IS_SHARED
from otel_dspy.mlflow.mapping.context import logs_traces
from otel_dspy.mlflow.records.route import ROOT_KINDS, Experiment, RootKind, Route, TraceContext
from otel_dspy.runtime.bounded_dict import BoundedDict
from otel_dspy.runtime.enclosing_call import enclosing_call
from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span, SpanContext

    from otel_dspy.mlflow.records.route import Destination, Options

MAX_ENDED: Final = 8192
"""Maximum number of remembered ended spans: a late span may start below one."""


class TraceRouter:
    """Routes spans. Thread-safe."""

    def __init__(
        self,
        capture: Callable[[], tuple[Destination, str | None, Options]],
        follows_mlflow: Callable[[], bool] = lambda: True,
    ) -> None:
        """Create a router.

        Args:
            capture: called on the user's thread when a root starts; returns destination, the user's open run and
                options.
            follows_mlflow: returns whether that destination is MLflow's own, so that traces can be shared.
        """
        self._capture = capture
        self._follows_mlflow = follows_mlflow
        self._placeholders = PlaceholderSpans()
        self._around: dict[tuple[int, int], int] = {}
        """Live spans that started inside an active span of MLflow's own context, and the id of that one."""
        self._enclosing: dict[tuple[int, int], Span] = {}
        """By live span, where MLflow shares OpenTelemetry's context: the span that MLflow finds without otel-dspy."""
        self._live: dict[tuple[int, int], Route] = {}
        self._ended: BoundedDict[tuple[int, int], Route] = BoundedDict(MAX_ENDED)
        self._lock = threading.Lock()
        itself: weakref.ref[TraceRouter] = weakref.ref(self)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _after_fork(itself))

    def started(self, span: ReadableSpan, parent_context: Context | None = None) -> Route | None:
        """Route a span that starts.

        Args:
            span: the span.
            parent_context: the context it starts in; None = the current one.

        Returns:
            The new route if the span is a root, else None.
        """
        own = span.get_span_context()
        if own is None:
            return None
        around = fluent_tracing.own_context_span()
        inherited = self._find(span.parent)
        if inherited is not None:
            route = self._below(inherited, span.parent, around)
        else:
            inherited, route = self._below_foreign(span.parent, parent_context, around)
        if route is None:
            route = self._root(span, own)
        with self._lock:
            self._live[_key(own)] = route
            if around is not None:
                self._around[_key(own)] = around.span_id
            if IS_SHARED:
                self._enclosing[_key(own)] = self._foreign(trace.get_current_span(parent_context))
        return None if inherited else route

    def _foreign(self, parent: Span) -> Span:
        """Return the innermost enclosing span of another library."""
        return self._enclosing.get(_key(parent.get_span_context()), parent)

    def placeholder_span(self, span: SpanContext) -> Span | None:
        """Return the span that MLflow treats as active while this one, ours or one below a call, is current."""
        key = _key(span)
        with self._lock:
            route, known = self._live.get(key), self._around.get(key)
        if route is None:
            enclosing = None if IS_SHARED else enclosing_call(span, None)
            return None if enclosing is None or enclosing.span_id == span.span_id else self.placeholder_span(enclosing)
        logged = fluent_tracing.SHARES_TRACES and logs_traces(route.options, route.context)
        if not logged or not self._follows_mlflow():
            return self._enclosing.get(key)
        around = fluent_tracing.own_context_span()
        if around is not None and around.span_id != known:
            return None  # it started later, inside our span
        context = route.context
        return self._placeholders.span(
            context.trace_id, span.span_id, int(context.root_id, 16), route.destination.experiment.id
        )

    def release(self, trace_id: str) -> None:
        """Let MLflow read a trace that has ended and been delivered from its store."""
        self._placeholders.release(trace_id)

    def _below(self, inherited: Route, parent: SpanContext | None, around: SpanContext | None) -> Route:
        context = inherited.context
        if around is not None and parent is not None and around.trace_id == int(context.trace_id, 16):
            with self._lock:
                known = self._around.get(_key(parent))
            if known != around.span_id:  # a span of MLflow's is in between
                return replace(inherited, context=replace(context, parent_id=format_span_id(around.span_id)))
        return inherited if context.parent_id is None else replace(inherited, context=replace(context, parent_id=None))

    def _below_foreign(
        self, parent: SpanContext | None, context: Context | None, around: SpanContext | None
    ) -> tuple[Route, Route] | tuple[None, None]:
        """Return the route of the call around a span's parent, another library's span, and the span's route below it.

        None if it is in no call, and if the parent is a span of MLflow's, whose trace contains it.
        """
        enclosing = enclosing_call(parent, context)
        inherited = self._find(enclosing)
        if enclosing is None or inherited is None or (IS_SHARED and fluent_tracing.active_span(parent) is not None):
            return None, None
        route = self._below(inherited, enclosing, around)
        if route.context.parent_id is None:
            within = replace(route.context, parent_id=format_span_id(enclosing.span_id))
            route = replace(route, context=within)
        return inherited, route

    def ended(self, span: ReadableSpan) -> Route | None:
        """Return the route of a span that ends; None if its start was not recorded."""
        own = span.get_span_context()
        if own is None:
            return None
        key = _key(own)
        with self._lock:
            route = self._live.pop(key, None)
            self._around.pop(key, None)
            self._enclosing.pop(key, None)
            if route is not None:
                self._ended[key] = route
        if route is not None:
            with guarded("MLflow's fluent tracing"):
                return self._updated(route, own.span_id)
        return route

    def _updated(self, route: Route, span_id: int) -> Route:
        context = route.context
        span_update = self._placeholders.ended(context.trace_id, span_id)
        update = self._placeholders.update(context.trace_id) if context.root_id == format_span_id(span_id) else None
        if span_update is None and update is None:
            return route
        return replace(route, context=replace(context, update=update, span_update=span_update))

    def _find(self, context: SpanContext | None) -> Route | None:
        if context is None:
            return None
        key = _key(context)
        with self._lock:
            return self._live.get(key) or self._ended.get(key)

    def _root(self, span: ReadableSpan, own: SpanContext) -> Route:
        attributes = span.attributes or {}
        trace_id, span_id = format_trace_id(own.trace_id), format_span_id(own.span_id)
        if span.parent is not None:
            trace_id = hashlib.sha256(f"{trace_id}/{span_id}".encode()).hexdigest()[:32]
        kind = ROOT_KINDS.get(str(attributes.get(sc.DSPY_OPERATION_NAME)), RootKind.CALL)
        linked = span.links[0].context if kind is RootKind.EXAMPLE and span.links else None
        outer = self._find(linked)
        if outer is not None:
            destination, user_run, options = outer.destination, outer.context.user_run, outer.options
        else:
            destination, user_run, options = self._capture()
            if not fluent_tracing.is_enabled():
                options = replace(options, log_traces=False)
        joined = None
        # Compiles and evaluations have their own traces, which their runs reference.
        if kind is RootKind.CALL and options.log_traces and self._follows_mlflow():
            with guarded("MLflow's fluent tracing"):
                joined = fluent_tracing.active_span(span.parent)
        if joined is not None:
            trace_id = joined.trace_id
            if joined.experiment_id is not None:
                destination = replace(destination, experiment=Experiment(id=joined.experiment_id))
        evaluate = linked if kind is RootKind.EXAMPLE else own if kind is RootKind.EVALUATE else None
        trial = _integer(attributes, sc.DSPY_TRIAL_INDEX)
        if sc.DSPY_EVALUATE_WITHIN_EXAMPLE in attributes:
            trial, evaluate = None, None
        context = TraceContext(
            trace_id=trace_id,
            root_id=span_id,
            kind=kind,
            compile_id=_text(attributes, sc.DSPY_COMPILE_ID) if kind is not RootKind.CALL else None,
            trial=trial,
            evaluate=(format_trace_id(evaluate.trace_id), format_span_id(evaluate.span_id)) if evaluate else None,
            user_run=user_run,
            joined=joined is not None,
            parent_id=joined.span_id if joined is not None else None,
        )
        if joined is None and logs_traces(options, context):
            with guarded("MLflow's fluent tracing"):
                fluent_tracing.announce(trace_id)
                self._placeholders.started(trace_id)
        return Route(destination, context, options)


def _after_fork(router: weakref.ref[TraceRouter]) -> None:
    found = router()
    if found is not None:
        # Another thread of the parent process may have held the lock.
        found._lock = threading.Lock()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the class' own hook


def _key(context: SpanContext) -> tuple[int, int]:
    return (context.trace_id, context.span_id)


def _text(attributes: Mapping[str, object], name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) else None


def _integer(attributes: Mapping[str, object], name: str) -> int | None:
    value = attributes.get(name)
    return value if isinstance(value, int) else None
