"""Routing: every span gets the trace and the destination of its root."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import Link

from otel_dspy.mlflow.delivery.trace_routing import TraceRouter
from otel_dspy.mlflow.fluent import tracing as fluent_tracing
from otel_dspy.mlflow.records.route import Destination, Experiment, Options, RootKind
from otel_dspy.telemetry.call_context import CallContext, inside

if TYPE_CHECKING:
    import pytest
    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.mlflow.records.route import Route

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("t")
FOREIGN = TracerProvider(shutdown_on_exit=False).get_tracer("another library")


class Capturing:
    """A router whose destinations are numbered in the order of their capture."""

    def __init__(self, experiment: Experiment | None = None) -> None:
        self.captured = 0
        self.experiment = experiment or Experiment()
        self.router = TraceRouter(self._capture)

    def _capture(self) -> tuple[Destination, str | None, Options]:
        self.captured += 1
        return Destination(str(self.captured), self.experiment), None, Options()

    def start(
        self,
        operation: str,
        parent: trace.Span | None = None,
        link: trace.Span | None = None,
        context: Context | None = None,
        **attributes: AttributeValue,
    ) -> ReadableSpan:
        """Start a span and route it; `__` in a keyword stands for a dot."""
        context = trace.set_span_in_context(parent or trace.INVALID_SPAN, context)
        span = TRACER.start_span(
            operation,
            context=context,
            links=[Link(link.get_span_context())] if link else [],
            attributes={
                "dspy.operation.name": operation,
                **{name.replace("__", "."): value for name, value in attributes.items()},
            },
        )
        assert isinstance(span, ReadableSpan)
        self.router.started(span, context)
        return span

    def end(self, span: ReadableSpan) -> Route:
        """End a span and give its route."""
        route = self.router.ended(span)
        assert route is not None
        return route


def as_span(span: ReadableSpan) -> trace.Span:
    """The same span as the API sees it."""
    assert isinstance(span, trace.Span)
    return span


def test_a_linked_example_goes_where_its_evaluation_goes() -> None:
    """It is a trace of its own, yet its destination is that of the evaluation, read once."""
    routes = Capturing()
    evaluation = routes.start("evaluate")
    example = routes.start("example", link=as_span(evaluation))
    assert routes.captured == 1
    example_route, route = routes.end(example), routes.end(evaluation)
    assert example_route.destination == route.destination
    assert example_route.context.trace_id != route.context.trace_id
    assert example_route.context.evaluate == route.context.evaluate
    assert (example_route.context.kind, route.context.kind) == (RootKind.EXAMPLE, RootKind.EVALUATE)


def test_an_example_of_an_evaluation_that_another_example_makes_belongs_to_neither() -> None:
    """No run of an evaluation or a trial has its trace."""
    routes = Capturing()
    outer = routes.start("example", link=as_span(routes.start("evaluate")))
    evaluation = routes.start("evaluate", parent=as_span(outer), dspy__evaluate__within_example=True)
    found = routes.start(
        "example",
        link=as_span(evaluation),
        dspy__compile__id="c",
        dspy__trial__index=1,
        dspy__evaluate__within_example=True,
    )
    assert routes.captured == 1
    context = routes.end(found).context
    assert (context.kind, context.compile_id, context.trial, context.evaluate) == (RootKind.EXAMPLE, "c", None, None)


def test_a_straggler_below_an_ended_span_stays_in_its_trace() -> None:
    """A span that starts after its parent has ended is no new root."""
    routes = Capturing()
    example = routes.start("example")
    route = routes.end(example)
    assert routes.end(routes.start("module", parent=as_span(example))) is route


def test_a_call_below_a_foreign_span_inside_another_call_is_part_of_it() -> None:
    """The foreign span is in no trace of MLflow's: the call is a child of the call around it."""
    routes = Capturing()
    outer = routes.start("module")
    context = inside(as_span(outer), CallContext(), trace.set_span_in_context(as_span(outer)))
    foreign = FOREIGN.start_span("not ours", context)
    inner = routes.start("module", parent=foreign, context=context)
    below = routes.start("chat", parent=as_span(inner))
    inner_route, below_route, outer_route = (routes.end(span).context for span in (inner, below, outer))
    assert routes.captured == 1
    assert inner_route == replace(outer_route, parent_id=outer_route.root_id)
    assert below_route == outer_route


def test_a_call_in_a_trace_begun_inside_another_call_is_a_root() -> None:
    """As a span with a link to the call around it: who begins a new trace wants one."""
    routes = Capturing()
    outer = routes.start("module")
    context = inside(as_span(outer), CallContext(), trace.set_span_in_context(as_span(outer)))
    foreign = FOREIGN.start_span("not ours", trace.set_span_in_context(trace.INVALID_SPAN, context))
    inner = routes.start("module", parent=foreign, context=context)
    assert routes.end(inner).context.trace_id != routes.end(outer).context.trace_id


def test_roots_below_one_foreign_span_are_traces_of_their_own() -> None:
    """They share an OpenTelemetry trace, which would be one MLflow trace with two roots."""
    routes = Capturing()
    foreign = TRACER.start_span("not ours")
    first, second = (routes.end(routes.start("module", parent=foreign)).context.trace_id for _ in range(2))
    assert len({first, second, f"{foreign.get_span_context().trace_id:032x}"}) == 3


def test_mlflows_own_span_inside_a_call_stays_the_active_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A placeholder replaces the span that MLflow has around a call, and not one that starts inside it."""
    routes = Capturing(Experiment(id="0"))
    around, within = (FOREIGN.start_span(name).get_span_context() for name in ("around", "within"))
    monkeypatch.setattr(fluent_tracing, "own_context_span", lambda: around)
    call = routes.start("module")
    own = as_span(call).get_span_context()
    assert routes.router.placeholder_span(own) is not None
    monkeypatch.setattr(fluent_tracing, "own_context_span", lambda: within)
    assert routes.router.placeholder_span(own) is None
    routes.router.release(routes.end(call).context.trace_id)
