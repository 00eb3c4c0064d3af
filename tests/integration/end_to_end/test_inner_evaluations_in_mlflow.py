"""Evaluations that examples of another evaluation make, as MLflow holds them: traces, and no runs of their own."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import dspy
import mlflow
import pytest

from tests.integration.end_to_end.conftest import SERVER_IS_SLOW, tracked
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.mlflow_tree import read_tree
from tests.support.optimizers import Rounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.mlflow_tree import TraceNode

_ANSWERING = threading.Lock()


def inner(gold: Any, pred: Any, trace: object = None) -> Any:
    """A metric of the inner evaluation, with an objective of its own."""
    return dspy.Prediction(score=exact(gold, pred, trace), objective_scores={"brevity": 0.25})


def evaluating(gold: Any, pred: Any, trace: object = None) -> float:
    """A metric that evaluates another program on two examples, one of which is an example of the outer evaluation."""
    evaluate: Any = dspy.Evaluate(devset=examples(2), metric=inner, num_threads=1, display_progress=False)
    with _ANSWERING:
        evaluate(dspy.Predict("question -> answer"))
    return exact(gold, pred, trace)


def _names(traces: Sequence[TraceNode]) -> list[tuple[str | None, str]]:
    """Names of the traces, and whether an example of another evaluation made them."""
    return sorted((trace.name, trace.tags.get("dspy.evaluate.within_example", "")) for trace in traces)


OUTER = [(f"Predict example {index}", "") for index in range(3)]
INNER = [("Predict example 0", "true")] * 3 + [("Predict example 1", "true")] * 3


@SERVER_IS_SLOW
@pytest.mark.parametrize("within_run", [False, True])
def test_an_evaluation_alone_is_one_run(tracking_uri: str, *, within_run: bool) -> None:
    """Its run, or the user's, has its own results and examples; what the metric evaluates are traces."""
    name = f"evaluating metric {within_run}"
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_experiment(name)
    with tracked(), dspy.context(lm=addition_lm()), mlflow.start_run() if within_run else nullcontext():
        evaluate: Any = dspy.Evaluate(devset=examples(3), metric=evaluating, num_threads=2)
        evaluate(dspy.Predict("question -> answer"))
    tree = read_tree(tracking_uri, name)
    (run,) = tree.walk()
    assert run.metrics["score/full"] == ((0, 33.33),)
    assert run.metrics["usage/lm_calls"] == ((0, 9.0),)
    assert "brevity" not in str(run.metrics)
    assert len(run.artifacts["result_table.json"]["data"]) == 3
    assert [context for context, _, _ in run.inputs] == ["evaluation"]
    traces = [*run.traces, *tree.traces]
    assert _names(traces) == sorted([("evaluate Predict", ""), *OUTER, *INNER])
    # A user's run has all traces that are made while it is open, as in MLflow.
    assert _names(tree.traces) == ([] if within_run else sorted(INNER))


@SERVER_IS_SLOW
def test_traces_of_a_trial_are_those_of_its_examples(tracking_uri: str) -> None:
    """The traces of the metric's evaluations belong to the run of the optimization; the trial has what they spent."""
    name = "evaluating metric in trials"
    with tracked(tracking_uri, name), dspy.context(lm=addition_lm()):
        Rounds(evaluating, rounds=2).compile(dspy.Predict("question -> answer"), trainset=examples(3))
    tree = read_tree(tracking_uri, name)
    assert not tree.traces
    (run,) = tree.runs
    assert [_names(trial.traces) for trial in run.children] == [OUTER, OUTER]
    assert [trial.metrics["usage/lm_calls"] for trial in run.children] == [((0, 9.0),)] * 2
    assert "brevity" not in str([found.metrics for found in tree.walk()])
    assert _names([trace for trace in run.traces if "example" in str(trace.name)]) == sorted(INNER * 2)
    scores = {score.name for trial in run.children for trace in trial.traces for score in trace.assessments}
    assert scores == {"evaluating"}
