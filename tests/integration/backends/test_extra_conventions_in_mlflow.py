"""MLflow through our own processor shows the same, with the attributes of other conventions and without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizer_runs import drawn, tracked_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.support.mlflow_tree import RunNode, SpanNode, TraceNode


def optimize() -> object:
    """An optimization and a call."""
    with dspy.context(lm=addition_lm()):
        optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
            exact, max_bootstrapped_demos=1, max_labeled_demos=1, num_candidate_programs=0, num_threads=1
        )
        program: Any = optimizer.compile(
            dspy.ChainOfThought("question -> answer"), trainset=examples(2), valset=examples(4)[2:]
        )
        return program(question="1+1").answer


def shown(folder: Path) -> list[str]:
    """All runs and all traces."""
    folder.mkdir()
    _, tree = tracked_tree(folder, optimize)
    lines = [line for run in tree.runs for line in drawn(run)]
    traces = [*tree.traces, *(trace for run in tree.walk() for trace in traces_of(run))]
    return [*lines, *sorted("\n".join(trace_lines(trace)) for trace in traces)]


def traces_of(run: RunNode) -> tuple[TraceNode, ...]:
    """A run's own."""
    return run.traces


def trace_lines(trace: TraceNode) -> Iterator[str]:
    """A trace with its previews, scores and spans."""
    yield f"{trace.name} {trace.state} {trace.request_preview} -> {trace.response_preview} {trace.assessments}"
    for root in trace.spans:
        yield from span_lines(root, "  ")


def span_lines(span: SpanNode, indent: str) -> Iterator[str]:
    """A span and those below."""
    yield f"{indent}{span.name} {span.type} {span.status} {span.inputs} -> {span.outputs}"
    for child in span.children:
        yield from span_lines(child, indent + "  ")


def test_the_same_runs_and_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs, parameters, metrics, span types, inputs, outputs and assessments don't change with the setting."""
    without = shown(tmp_path / "without")
    monkeypatch.setenv("OTEL_DSPY_EXTRA_CONVENTIONS", "openinference")
    assert shown(tmp_path / "with") == without
    assert len(without) > 10
