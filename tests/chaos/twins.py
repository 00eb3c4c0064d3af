"""One optimization recorded in two MLflow servers, one undisturbed and one with faults. Both must end up equal."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import dspy

from otel_dspy.mlflow import MlflowSpanProcessor
from tests.support.addition_task import exact, examples, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.instrumented_dspy import instrumented
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from tests.support.mlflow_tree import RunNode, SpanNode, TraceNode

EXPERIMENT = "twins"
DELIVERY = 240_000
"""Milliseconds that a delivery may take on a loaded machine, the server's start included."""

_SAME_TRACE_FACTS = ("mlflow.trace.tokenUsage", "mlflow.trace.cost")
_OWN_TAGS = ("mlflow.parentRunId",)
"""Tags whose values are ids that each MLflow gives by itself."""


@contextmanager
def exporting_to(*tracking_uris: str) -> Generator[list[MlflowSpanProcessor]]:
    """Record everything that DSPy does in each of these while the block lasts."""
    processors = [MlflowSpanProcessor(tracking_uri=uri, experiment=EXPERIMENT) for uri in tracking_uris]
    try:
        with instrumented(*processors):
            yield processors
    finally:
        for processor in processors:
            processor.shutdown()


def optimize(trials: int = 20, pause: float = 0.0) -> Any:
    """MIPROv2 with a model that takes `pause` seconds an answer."""

    def answer(inputs: Mapping[str, str]) -> str:
        time.sleep(pause)
        return half_right(inputs)

    with dspy.context(lm=in_process_lm(dspy_script({"answer": answer}))):
        optimizer = dspy.MIPROv2(
            exact, auto=None, num_candidates=3, num_threads=2, max_bootstrapped_demos=1, max_labeled_demos=1
        )
        return optimizer.compile(
            dspy.ChainOfThought("question -> answer"),
            trainset=examples(3),
            valset=examples(4),
            num_trials=trials,
            minibatch=False,
        )


def record(tracking_uri: str, experiment: str | None = None) -> dict[str, Any]:
    """All that an MLflow holds of it, without the ids that it has given itself."""
    tree = read_tree(tracking_uri, experiment or EXPERIMENT)
    return {
        "runs": [_run(run) for run in tree.runs],
        "traces": [_trace(trace) for trace in tree.traces],
    }


def differences(found: object, expected: object, path: str = "") -> list[str]:
    """Where two records differ, each place in a line; a whole record is too long to look at."""
    these, those = _parts(found), _parts(expected)
    if these is None or those is None or len(these) != len(those):
        return [] if found == expected else [f"{path}: {str(found)[:300]} != {str(expected)[:300]}"]
    names = sorted({*these, *those})
    return [line for name in names for line in differences(these.get(name), those.get(name), f"{path}/{name}")]


def _parts(value: object) -> dict[str, object] | None:
    if isinstance(value, dict):
        return cast("dict[str, object]", value)
    if isinstance(value, list | tuple):
        return {str(index): part for index, part in enumerate(cast("Sequence[object]", value))}
    return None


def traces_in(run: Mapping[str, Any]) -> int:
    """How many traces a run of a `record` has, those of its children included."""
    return len(run["traces"]) + sum(traces_in(child) for child in run["children"])


# Not `dataclasses.asdict`, which copies every value of every artifact.
def _run(run: RunNode) -> dict[str, Any]:
    return {
        # MLflow can't move a run's start, and a trial's run starts with the first span that arrives: in an outage that
        # may be one of its examples, some milliseconds after the trial's own beginning.
        **{name: value for name, value in vars(run).items() if name not in {"id", "seconds"}},
        "tags": {name: value for name, value in run.tags.items() if name not in _OWN_TAGS},
        "models": tuple(vars(model) for model in run.models),
        "traces": [_trace(trace) for trace in run.traces],
        "children": sorted((_run(child) for child in run.children), key=_identity),
    }


def _identity(run: Mapping[str, Any]) -> tuple[int, str, str]:
    """Not the start: for the same reason, and because two compiles may begin in one millisecond."""
    tags = run["tags"]
    return (int(tags.get("dspy.trial.index", -1)), run["name"], str(tags.get("dspy.compile.id")))


def _trace(trace: TraceNode) -> dict[str, Any]:
    return {
        **vars(trace),
        "metadata": {name: value for name, value in trace.metadata.items() if name in _SAME_TRACE_FACTS},
        "spans": tuple(_span(span) for span in trace.spans),
        "assessments": tuple(vars(assessment) for assessment in trace.assessments),
    }


def _span(span: SpanNode) -> dict[str, Any]:
    return {**vars(span), "children": tuple(_span(child) for child in span.children)}
