"""Summary of an optimization in progress, from its runs."""

from __future__ import annotations

import math
import sys

import pytest
from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag

from otel_dspy import semconv
from otel_dspy.reporting.runs.summary_rows import trial_rows
from otel_dspy.reporting.runs.unfinished_summary import best_with_a_score, parsed, summary_of_runs


def recorded(status: str, tags: dict[str, str], metrics: dict[str, float]) -> Run:
    """A run as MLflow returns it."""
    info = RunInfo("run", "0", "user", status, 1000, None, "active")
    points = [Metric(name, value, 0, 0) for name, value in metrics.items()]
    return Run(info, RunData(points, list[Param](), [RunTag(*tag) for tag in tags.items()]))


FAILED = {
    semconv.DSPY_TRIAL_STATE: "complete",
    semconv.DSPY_TRIAL_IS_BEST: "true",
    semconv.DSPY_FAILURES_FIRST_TYPE: "builtins.ValueError",
    semconv.DSPY_FAILURES_FIRST_MESSAGE: "no labels here.\nand more",
}


def test_a_trial_in_which_every_example_failed_is_no_best() -> None:
    """Its run has the first failure as its own error, with the score 0; one with a failed example has only the failure."""
    score = {"score/full": 0.0}
    throughout = recorded("FAILED", FAILED | {"error.type": "builtins.ValueError"}, score)
    partly = recorded("FINISHED", FAILED, {"score/full": 50.0})
    summary = summary_of_runs(recorded("RUNNING", {}, score), {0: throughout})
    assert (summary["best_trial"], [row.leads for row in trial_rows(summary)]) == (None, [False])
    assert [trial["failure"] for trial in summary["trials"]] == ["ValueError: no labels here"]
    summary = summary_of_runs(recorded("RUNNING", {}, score), {0: throughout, 1: partly})
    assert (summary["best_trial"], [row.leads for row in trial_rows(summary)]) == (1, [False, True])
    assert [trial["failure"] for trial in summary["trials"]] == ["ValueError: no labels here", None]


@pytest.mark.parametrize(
    ("status", "tags", "metrics", "state"),
    [
        ("RUNNING", {}, {}, "running"),
        ("RUNNING", {semconv.DSPY_TRIAL_STATE: "complete"}, {}, "running"),
        ("RUNNING", {semconv.DSPY_TRIAL_STATE: "complete"}, {"score/full": 75.0}, "complete"),
        ("FINISHED", {semconv.DSPY_TRIAL_STATE: "pruned"}, {}, "pruned"),
        ("KILLED", {}, {}, "killed"),
    ],
)
def test_a_trial_has_ended_once_its_score_is_there(
    status: str, tags: dict[str, str], metrics: dict[str, float], state: str
) -> None:
    """Its tags are written before its metrics: until then it is in progress, so that no line lacks the score."""
    found = summary_of_runs(recorded("RUNNING", {}, {}), {3: recorded(status, tags, metrics)})
    (trial,) = found["trials"]
    assert (trial["index"], trial["state"], trial["score"]) == (3, state, metrics.get("score/full"))


def test_scores_that_are_no_numbers_are_left_out() -> None:
    """As in the summary at the end: NaN and infinities, which MLflow's stores keep as the largest float."""
    tags, largest = {semconv.DSPY_TRIAL_STATE: "complete", semconv.DSPY_TRIAL_KIND: "baseline"}, sys.float_info.max
    trials = {
        index: recorded("FINISHED", tags, {"score/full": score, "search/score": score})
        for index, score in enumerate((math.nan, largest, -largest, 50.0))
    }
    found = summary_of_runs(recorded("KILLED", {}, {"score/best": math.nan}), trials)
    assert [trial["score"] for trial in found["trials"]] == [None, None, None, 50.0]
    assert [trial["measures"] for trial in found["trials"]] == [{}, {}, {}, {"score": 50.0}]
    assert (found["best_score"], found["initial_score"]) == (None, 50.0)


def test_the_best_so_far_of_a_stopped_optimization_has_a_score() -> None:
    """DSPy keeps a leading NaN as the best, but returns nothing any more; of one in progress it is what DSPy returns.

    A trial in which every example failed has a score, and won nothing all the same.
    """
    tags = {semconv.DSPY_TRIAL_STATE: "complete", semconv.DSPY_TRIAL_SCOPE: "full"}
    scores = (math.nan, 50.0, 75.0, 75.0, 90.0)
    trials = {index: recorded("FINISHED", tags, {"score/full": score}) for index, score in enumerate(scores)}
    trials[0] = recorded("FINISHED", tags | {semconv.DSPY_TRIAL_IS_BEST: "true"}, {"score/full": math.nan})
    trials[4] = recorded("FINISHED", FAILED | tags | {"error.type": "ValueError"}, {"score/full": 90.0})
    for status, expected in (("RUNNING", (0, None)), ("KILLED", (2, 75.0)), ("FAILED", (2, 75.0))):
        found = summary_of_runs(recorded(status, {}, {"score/best": math.nan}), trials)
        assert (found["best_trial"], found["best_score"]) == expected
        # The same of the summary that a compile that raised has.
        written = {**found, "best_trial": 0, "best_score": None}
        chosen = best_with_a_score(written, status)
        assert (chosen["best_trial"], chosen["best_score"]) == expected
    assert best_with_a_score({"trials": [{"index": 0}], "best_trial": 0}, "KILLED")["best_trial"] == 0
    assert best_with_a_score({"trials": []}, "KILLED") == {"trials": []}


def test_a_parameter_that_is_nested_too_deeply_is_read_as_text() -> None:
    """MLflow keeps parameters of 6,000 characters, and Python's parser raises at a thousand levels."""
    text = "[" * 6_000
    assert parsed(text) == text
    assert parsed("[1]") == [1]
