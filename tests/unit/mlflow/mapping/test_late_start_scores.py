"""Tags of examples that were scored before the start, as SIMBA's are."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.mlflow.mapping.traces import late_start_scores
from otel_dspy.mlflow.mapping.traces.late_start_scores import LateStartScores
from otel_dspy.mlflow.records.decode import record_of
from otel_dspy.mlflow.records.route import Destination, Experiment, Options, RootKind, Route, TraceContext
from tests.support.mapped_spans import IDENTITY, span

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span import SpanRecord

PLACE = Destination("sqlite://", Experiment())


def example(trial: int, name: str, score: float, **more: Any) -> tuple[SpanRecord, Route]:
    """Make an example of a trial, a trace of its own that is named after both."""
    given = {"dspy.trial.index": trial, "dspy.example.id": name, "dspy.example.score": score}
    found = span("example", {**IDENTITY, **given, **{name.replace("_", "."): value for name, value in more.items()}})
    context = TraceContext(trace_id=f"{trial}{name}", root_id=found.span_id, kind=RootKind.EXAMPLE, compile_id="c")
    return found, Route(PLACE, context, Options())


def ended(operation: str, **given: Any) -> tuple[SpanRecord, Route]:
    """Make the end of a trial or of the compile."""
    found = span(operation, {**IDENTITY, **{f"dspy.trial.{name}": value for name, value in given.items()}})
    context = TraceContext(trace_id="t", root_id="", kind=RootKind.COMPILE, compile_id="c")
    return found, Route(PLACE, context, Options())


START = ended("trial", index=1, kind="baseline", state="complete", score=0.5)


def tags(*spans: tuple[SpanRecord, Route]) -> dict[str, str]:
    """Return the tags of all traces that these spans result in."""
    scores, found = LateStartScores(), dict[str, str]()
    for one, route in spans:
        for operation in scores.add(record_of(one), route):
            assert operation.trace_id not in found
            assert operation.key == f"{one.span_id}/against_start"
            found[operation.trace_id] = operation.tags["otel_dspy.against_start"]
    return found


def test_the_start_is_scored_last() -> None:
    """Whatever the order of the spans; an equal score is no request, and the start is not compared with itself."""
    given = [example(0, "a", 1.0), example(0, "b", 0.0), example(0, "c", 0.5), example(1, "b", 1.0), START]
    also = [example(1, "a", 0.0), example(1, "c", 0.5)]
    for order in permutations(given):
        assert tags(*also, *order) == {"0a": "improved", "0b": "worse"}
        assert tags(*order, *also, example(2, "b", 0.5)) == {"0a": "improved", "0b": "worse", "2b": "worse"}


@pytest.mark.parametrize(
    "changes",
    [
        {"context": {"kind": RootKind.CALL}},
        {"context": {"root_id": "another"}},
        {"context": {"joined": True}},
        {"options": Options(log_traces=False)},
    ],
)
def test_only_traces_of_their_own_are_tagged(changes: dict[str, Any]) -> None:
    """An example within another trace, or without one in MLflow, is not."""
    found, route = example(0, "a", 1.0)
    context = replace(route.context, **changes.get("context", {}))
    changed = replace(route, context=context, options=changes.get("options", route.options))
    assert tags(example(1, "a", 0.0), START, (found, route)) == {"0a": "improved"}
    assert tags(example(1, "a", 0.0), START, (found, changed)) == {}


def test_the_start_is_not_compared_with_itself() -> None:
    """Of an example that it scored twice the first score counts."""
    assert tags(example(1, "a", 0.0), example(1, "a", 1.0), START, example(0, "a", 0.5)) == {"0a": "improved"}


def test_what_is_not_compared() -> None:
    """Examples outside of trials, of which another run counts, or that have the start's score on their span."""
    assert tags(example(1, "a", 0.5), START, example(0, "a", 1.0, dspy_example_repeated=True)) == {}
    assert tags(example(1, "a", 0.5), START, (span("example", IDENTITY), START[1])) == {}
    inner, route = example(0, "a", 1.0)
    inner.attributes["dspy.evaluate.within_example"] = True  # pyright: ignore[reportIndexIssue] - a dictionary here
    assert tags(example(1, "a", 0.5), START, (inner, route)) == {}
    known, route = example(0, "a", 1.0)
    known.attributes["dspy.example.initial_score"] = 0.5  # pyright: ignore[reportIndexIssue] - a dictionary here
    assert tags(example(1, "a", 0.5), START, (known, route)) == {}
    failed = ended("trial", index=1, kind="baseline", state="fail")
    assert tags(example(0, "a", 1.0), example(1, "a", 0.0), failed) == {}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By examples of a compile; its end forgets what waits in vain."""
    monkeypatch.setattr(late_start_scores, "MAX_EXAMPLES", 2)
    assert tags(example(0, "a", 1.0), example(1, "a", 0.0), example(2, "a", 1.0), START) == {"0a": "improved"}
    assert tags(example(0, "a", 1.0), ended("compile"), example(1, "a", 0.0), START) == {}
    assert tags(ended("compile")) == {}
