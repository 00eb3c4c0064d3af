"""Optimizations at the same time, and inside requests of a web application: nothing of one lands in another."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from opentelemetry.trace import SpanKind

from otel_dspy import DSPyInstrumentor
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.span_recorder import Recorder

AT_ONCE = 4


def _optimize(number: int) -> Any:
    """A random search over `number + 2` examples, so that optimizations can be distinguished by what they run over."""
    optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
        exact, num_candidate_programs=1, num_threads=2, max_bootstrapped_demos=1, max_labeled_demos=1
    )
    with dspy.context(lm=addition_lm()):
        return optimizer.compile(dspy.ChainOfThought("question -> answer"), trainset=examples(number + 2))


def _in_threads(optimize: Callable[[int], Any]) -> list[Any]:
    together = threading.Barrier(AT_ONCE)

    def one(number: int) -> Any:
        together.wait()
        return optimize(number)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def _in_tasks(optimize: Callable[[int], Any]) -> list[Any]:
    async def every() -> list[Any]:
        return await asyncio.gather(*(asyncio.to_thread(optimize, number) for number in range(AT_ONCE)))

    return asyncio.run(every())


def _optimizations(recorder: Recorder) -> list[dict[str, Any]]:
    """Each outermost compile with all that is below it, linked examples included, by the number of its examples."""
    spans = {span.context.span_id: span for span in recorder.spans if span.context is not None}

    def above(span: Any) -> Any:
        found = span.parent or (span.links[0].context if span.links else None)
        return None if found is None else spans.get(found.span_id)

    def outermost(span: Any) -> Any:
        found = None
        while span is not None:
            found = span if span.name.startswith("compile") else found
            span = above(span)
        return found

    recorded: dict[int, dict[str, Any]] = {}
    for span in recorder.spans:
        root = outermost(span)
        assert root is not None or span.kind is SpanKind.SERVER, span.name
        if root is None:
            continue
        mine = recorded.setdefault(root.context.span_id, {"kinds": {}, "sizes": set(), "trials": [], "ids": set()})
        kind = span.name.partition(" ")[0]
        mine["kinds"][kind] = mine["kinds"].get(kind, 0) + 1
        attributes = dict(span.attributes or {})
        if "dspy.compile.id" in attributes:
            mine["ids"].add(attributes["dspy.compile.id"])
        if kind == "trial":
            mine["trials"].append((attributes["dspy.trial.index"], attributes["dspy.trial.score"]))
        if kind == "evaluate" and span.parent is not None and spans[span.parent.span_id].name.startswith("trial"):
            mine["sizes"].add(attributes["dspy.evaluate.num_examples"])
    for mine in recorded.values():
        mine["trials"].sort()
    # No compile's id stands in two optimizations.
    ids = [one for mine in recorded.values() for one in mine.pop("ids")]
    assert len(ids) == len(set(ids))
    return sorted(recorded.values(), key=lambda mine: min(mine["sizes"]))


@pytest.mark.parametrize(
    ("together", "shape"),
    [
        (_in_threads, "nested"),
        (_in_tasks, "linked"),
        # Each way and each shape is among those above.
        pytest.param(_in_threads, "linked", marks=pytest.mark.slow),
        pytest.param(_in_tasks, "nested", marks=pytest.mark.slow),
    ],
)
def test_at_once_is_as_one_after_the_other(together: Callable[..., list[Any]], shape: str) -> None:
    """Each optimization has the spans, trials and scores that it has when it runs alone, and none of another's."""
    with recording(trace_shape=shape) as alone:
        expected = [_optimize(number).dump_state() for number in range(AT_ONCE)]
    with recording(trace_shape=shape) as recorder:
        assert [best.dump_state() for best in together(_optimize)] == expected
    assert _optimizations(recorder) == _optimizations(alone)
    assert [mine["sizes"] for mine in _optimizations(recorder)] == [{number + 2} for number in range(AT_ONCE)]


@pytest.mark.parametrize("together", [_in_threads, _in_tasks])
def test_inside_requests(together: Callable[..., list[Any]]) -> None:
    """A server's span around: the compile is its child, in its trace; examples are traces of their own, linked."""

    def serve(number: int) -> Any:
        tracer = DSPyInstrumentor().tracer_provider
        assert tracer is not None
        with tracer.get_tracer("web").start_as_current_span(f"POST /{number}", kind=SpanKind.SERVER):
            return _optimize(number)

    with recording() as recorder:
        together(serve)
    requests = {span.context.span_id: span for span in recorder.named("POST") if span.context is not None}
    assert len(requests) == AT_ONCE
    roots = [span for span in recorder.named("compile") if span.parent and span.parent.span_id in requests]
    assert len(roots) == AT_ONCE
    assert {span.parent.span_id for span in roots if span.parent is not None} == set(requests)
    assert [mine["sizes"] for mine in _optimizations(recorder)] == [{number + 2} for number in range(AT_ONCE)]
    for compiled in roots:
        assert compiled.parent is not None
        assert requests[compiled.parent.span_id].name == f"POST /{_size(recorder, compiled) - 2}"
    owners = {span.context.trace_id for span in requests.values() if span.context is not None}
    for example in recorder.named("example"):
        assert example.context is not None
        assert example.parent is None
        assert example.links[0].context.trace_id in owners


def _size(recorder: Recorder, compiled: Any) -> int:
    """The size of the training set of a compile."""
    own = compiled.attributes["dspy.compile.id"]
    return next(
        data["dataset.size"]
        for data in recorder.attributes_of("dataset")
        if data["compile.id"] == own and data["dataset.role"] == "train"
    )
