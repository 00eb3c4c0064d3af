"""Which trace and which destination a span belongs to, decided when it starts.

A span goes where its trace's root goes, and an example's root where the evaluation that it links to goes: so that a
change of MLflow's settings in the middle of a compile does not tear it apart.

A root here is a *local* root: a span whose parent is not ours (another library's, or another process'). Two of them
may share an OpenTelemetry trace, which MLflow could not show, so each gets an MLflow trace of its own.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import format_span_id, format_trace_id

from otel_dspy import semconv as sc
from otel_dspy.mlflow.mapping.context import RootKind, TraceContext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

    from otel_dspy.mlflow.destination import Destination
    from otel_dspy.mlflow.mapping.context import Options

MAX_ENDED: Final = 8192
"""Ended spans that are remembered: a straggler may start a span below one."""

KINDS: Final = {"compile": RootKind.COMPILE, "evaluate": RootKind.EVALUATE, "example": RootKind.EXAMPLE}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a span goes and what was wanted when its trace began."""

    destination: Destination
    context: TraceContext
    options: Options


class Router:
    """Routes by span. Thread-safe."""

    def __init__(self, capture: Callable[[], tuple[Destination, str | None, Options]]) -> None:
        """Create it.

        Args:
            capture: called on the user's thread when a root starts: where to, the user's open run, what is wanted.
        """
        self._capture = capture
        self._live: dict[tuple[int, int], Route] = {}
        self._ended: OrderedDict[tuple[int, int], Route] = OrderedDict()
        self._lock = threading.Lock()
        itself: weakref.ref[Router] = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _after_fork(itself))

    def started(self, span: ReadableSpan) -> Route | None:
        """Route a span that starts.

        Returns:
            The new route where the span is a root, else None.
        """
        own = span.get_span_context()
        if own is None:
            return None
        inherited = self._find(span.parent)
        route = inherited or self._root(span, own)
        with self._lock:
            self._live[_key(own)] = route
        return None if inherited else route

    def ended(self, span: ReadableSpan) -> Route | None:
        """The route of a span that ends; None if its start was not seen."""
        own = span.get_span_context()
        if own is None:
            return None
        key = _key(own)
        with self._lock:
            route = self._live.pop(key, None)
            if route is not None:
                self._ended[key] = route
                if len(self._ended) > MAX_ENDED:
                    self._ended.popitem(last=False)
        return route

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
        kind = KINDS.get(str(attributes.get(sc.DSPY_OPERATION_NAME)), RootKind.CALL)
        linked = span.links[0].context if kind is RootKind.EXAMPLE and span.links else None
        outer = self._find(linked)
        if outer is not None:
            destination, user_run, options = outer.destination, outer.context.user_run, outer.options
        else:
            destination, user_run, options = self._capture()
        evaluate = linked if kind is RootKind.EXAMPLE else own if kind is RootKind.EVALUATE else None
        context = TraceContext(
            trace_id=trace_id,
            root_id=span_id,
            kind=kind,
            compile_id=_text(attributes, sc.DSPY_COMPILE_ID) if kind is not RootKind.CALL else None,
            trial=_integer(attributes, sc.DSPY_TRIAL_INDEX),
            evaluate=(format_trace_id(evaluate.trace_id), format_span_id(evaluate.span_id)) if evaluate else None,
            user_run=user_run,
        )
        return Route(destination, context, options)


def _after_fork(router: weakref.ref[Router]) -> None:
    found = router()
    if found is not None:
        # Another thread of the parent may have held it.
        found._lock = threading.Lock()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the class' own hook


def _key(context: SpanContext) -> tuple[int, int]:
    return (context.trace_id, context.span_id)


def _text(attributes: Mapping[str, object], name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) else None


def _integer(attributes: Mapping[str, object], name: str) -> int | None:
    value = attributes.get(name)
    return value if isinstance(value, int) else None
