"""Scores that are no plain numbers, as MLflow holds them: NaN, errors, objectives."""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow
import pytest
from dspy.teleprompt import BootstrapFewShotWithRandomSearch

from tests.integration.end_to_end.conftest import SERVER_IS_SLOW, tracked
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.blank_store import blank_store
from tests.support.gepa_task import optimize
from tests.support.learning_lm import learning_lm
from tests.support.mlflow_tree import read_tree
from tests.support.optimizers import Rounds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.mlflow_tree import RunNode

SECRET = "sk-planted-0123456789abcdefghij"


def _points(points: Sequence[tuple[int, float]]) -> list[tuple[int, str]]:
    return [(step, str(value)) for step, value in points]


@SERVER_IS_SLOW
def test_a_nan_that_comes_first_is_the_best_score(tracking_uri: str) -> None:
    """DSPy returns the program of trial 0, whose score is NaN: run, trials, summary and best model all say so."""
    calls: list[int] = []

    def metric(gold: Any, pred: Any, trace: object = None) -> float:
        if trace is None:
            calls.append(1)
            return math.nan if len(calls) <= 4 else 1.0
        return exact(gold, pred)

    optimizer: Any = BootstrapFewShotWithRandomSearch(
        metric, num_candidate_programs=0, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=2
    )
    with tracked(tracking_uri, "nan first"), dspy.context(lm=addition_lm()):
        best = optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(6), valset=examples(4))
    (run,) = read_tree(tracking_uri, "nan first").runs
    assert [program["seed"] for program in best.candidate_programs if program["program"] is best] == [-3]
    assert run.tags["dspy.compile.best_trial.index"] == "0"
    assert _points(run.metrics["score/best"]) == [(0, "nan"), (1, "nan"), (2, "nan"), (3, "nan")]
    assert _points(run.metrics["score/initial"]) == [(0, "nan")]
    assert _points(run.metrics["score/full"]) == [(0, "nan"), (1, "100.0"), (2, "100.0")]
    trials = [child for child in run.children if "dspy.trial.index" in child.tags]
    assert [(trial.tags["dspy.trial.is_best"], str(trial.metrics["score/full"][0][1])) for trial in trials] == [
        ("true", "nan"),
        ("false", "100.0"),
        ("false", "100.0"),
    ]
    assert run.artifacts["best_model.json"] == trials[0].artifacts["model.json"]
    summary = run.artifacts["optimization_summary.json"]
    assert (summary["best_trial"], summary["best_score"], summary["trials"][0]["score"]) == (0, None, None)
    stored = [*run.artifacts.items(), *trials[0].artifacts.items()]
    assert "NaN" not in json.dumps([content for path, content in stored if path.endswith(".json")])  # no JSON
    assert "seed -3, NaN on 4 examples" in trials[0].artifacts["changes.md"]


def _errors(run: RunNode) -> tuple[str, dict[str, str], list[tuple[int, float]]]:
    """Status, tags of errors, and `score/errors`."""
    tags = {name: value for name, value in run.tags.items() if "error" in name or "failures" in name}
    return run.status, tags, [(step, value) for step, value in run.metrics.get("score/errors", ())]


@SERVER_IS_SLOW
def test_an_evaluation_whose_model_is_not_configured(tracking_uri: str) -> None:
    """Every example failed: the run is FAILED with the first error, though DSPy gives 0.0; each assessment carries it."""
    with tracked(tracking_uri, "no model"):
        result = dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    assert result.score == 0.0
    (run,) = read_tree(tracking_uri, "no model").runs
    status, tags, errors = _errors(run)
    assert (status, errors) == ("FAILED", [(0, 2.0)])
    assert set(tags) == {"dspy.failures.first.type", "dspy.failures.first.message", "error.type", "error.message"}
    assert tags["error.type"] == tags["dspy.failures.first.type"] == "ValueError"
    assert "No LM is loaded" in tags["error.message"]
    assert [
        (trace.state, [(a.name, a.value, a.error) for a in trace.assessments])
        for trace in run.traces
        if trace.name != "evaluate Predict"
    ] == [("ERROR", [("exact", None, ("ValueError", tags["error.message"]))])] * 2


def test_an_evaluation_that_failed_in_a_run_of_the_users(server_uri: str) -> None:
    """The run stays the user's: the first error and the number are there, status and error tags are not ours to set."""
    mlflow.set_tracking_uri(server_uri)
    mlflow.set_experiment("a run of mine")
    with tracked(), mlflow.start_run():
        dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    (run,) = read_tree(server_uri, "a run of mine").runs
    status, tags, errors = _errors(run)
    assert (status, errors) == ("FINISHED", [(0, 2.0)])
    assert set(tags) == {"dspy.failures.first.type", "dspy.failures.first.message"}


@SERVER_IS_SLOW
@pytest.mark.parametrize("failing", [1, 100])
def test_an_optimization_with_examples_that_failed(tracking_uri: str, failing: int) -> None:
    """Trials and run count them and have the first message, redacted; where all of them failed they are FAILED."""
    asked = itertools.count()

    def metric(gold: Any, pred: Any, trace: object = None) -> float:
        del trace
        if next(asked) < failing:
            raise ValueError(f"no verdict, {SECRET}")
        return exact(gold, pred)

    name = f"{failing} failed"
    with tracked(tracking_uri, name), dspy.context(lm=addition_lm()):
        program = Rounds(metric).compile(dspy.Predict("question -> answer"), trainset=examples(3))
    assert program is not None
    tree = read_tree(tracking_uri, name)
    (run,) = tree.runs
    first = {"dspy.failures.first.type": "ValueError", "dspy.failures.first.message": "no verdict, [redacted]"}
    broken = {**first, "error.type": "ValueError", "error.message": "no verdict, [redacted]"}
    trials = [_errors(trial) for trial in run.children]
    if failing == 1:
        assert _errors(run) == ("FINISHED", first, [(2, 1.0)])
        assert trials == [("FINISHED", first, [(0, 1.0)]), ("FINISHED", {}, [])]
    else:
        assert _errors(run) == ("FAILED", broken, [(2, 6.0)])
        assert trials == [("FAILED", broken, [(0, 3.0)])] * 2
    assert "best_model.json" in run.artifacts
    assessed = [a.error for trial in run.children for trace in trial.traces for a in trace.assessments]
    assert assessed.count(("ValueError", "no verdict, [redacted]")) == min(failing, 6)
    assert len(assessed) == 6


def by_objective(gold: Any, pred: Any, trace: object = None) -> dspy.Prediction:
    """1 or 0, its objectives beside it; the last is that of every other example alone."""
    right = float(exact(gold, pred, trace))
    further = {"even": 0.5} if int(gold["answer"]) % 2 == 0 else {}
    return dspy.Prediction(score=right, objective_scores={"right": right, "short": 0.25, **further})


@SERVER_IS_SLOW
def test_objectives_of_an_evaluation(tracking_uri: str) -> None:
    """A column and an assessment each, and their means, over the examples that have one, as metrics."""
    with tracked(tracking_uri, "objectives"), dspy.context(lm=addition_lm()):
        dspy.Evaluate(devset=examples(3), metric=by_objective, num_threads=1)(dspy.Predict("question -> answer"))
    (run,) = read_tree(tracking_uri, "objectives").runs
    means = {name: points for name, points in run.metrics.items() if name.startswith("score/objective/")}
    assert means == {
        "score/objective/right": ((0, pytest.approx(1 / 3)),),
        "score/objective/short": ((0, 0.25),),
        "score/objective/even": ((0, 0.5),),
    }
    table = run.artifacts["result_table.json"]
    assert table["columns"] == [
        "index", "example_question", "example_answer", "pred_answer", "score",
        "objective/right", "objective/short", "objective/even", "example_id",
    ]  # fmt: skip
    assert [row[4:8] for row in table["data"]] == [
        [0.0, 0.0, 0.25, None],
        [1.0, 1.0, 0.25, 0.5],
        [0.0, 0.0, 0.25, None],
    ]
    second = next(trace for trace in run.traces if trace.name == "Predict example 1")
    assert [(found.name, found.value) for found in second.assessments] == [
        ("by_objective", 1.0),
        ("by_objective/even", 0.5),
        ("by_objective/right", 1.0),
        ("by_objective/short", 0.25),
    ]
    assert second.expectations == {"answer": "2"}
    assert table["data"][1][8] == second.tags["dspy.example.id"]


@SERVER_IS_SLOW
def test_objectives_of_an_optimizer_that_evaluates(tracking_uri: str) -> None:
    """The means stand on each trial's run, and as curves on the compile's."""
    with tracked(tracking_uri, "objectives of trials"), dspy.context(lm=addition_lm()):
        Rounds(by_objective).compile(dspy.Predict("question -> answer"), trainset=examples(2))
    (run,) = read_tree(tracking_uri, "objectives of trials").runs
    assert [trial.metrics["score/objective/right"] for trial in run.children] == [((0, 0.5),), ((0, 0.5),)]
    assert run.metrics["score/objective/right"] == ((0, 0.5), (1, 0.5))


def test_traces_of_examples_that_changed_are_found(tmp_path: Path) -> None:
    """By a tag: those that a trial improved against the start, as the scores of both trials have them."""
    uri = blank_store(tmp_path)
    optimizer: Any = BootstrapFewShotWithRandomSearch(
        exact, num_candidate_programs=0, num_threads=1, max_bootstrapped_demos=2, max_labeled_demos=2
    )
    with tracked(uri, "flips"), dspy.context(lm=learning_lm()):
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(6), valset=examples(8))
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("flips")
    assert experiment is not None

    def found(wanted: str) -> dict[str, Any]:
        traces: Any = client.search_traces([experiment.experiment_id], f"tags.`dspy.trial.index` = '{wanted}")
        return {trace.info.tags["dspy.example.index"]: trace.info.assessments[0].value for trace in traces}

    start, later = found("0'"), found("1'")
    improved = {index for index, score in later.items() if score > start[index]}
    assert improved == set(found("1' and tags.`otel_dspy.against_start` = 'improved'"))
    assert len(improved) == 2
    assert found("0' and tags.`otel_dspy.against_start` LIKE '%'") == {}


def example_traces(uri: str, name: str) -> list[Any]:
    """Return the infos of the traces of examples in an experiment."""
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found: Any = client.search_traces([experiment.experiment_id], max_results=500)
    return [trace.info for trace in found if "dspy.example.id" in trace.info.tags]


@SERVER_IS_SLOW
def test_traces_that_were_scored_before_the_start_are_tagged_at_the_end(tracking_uri: str) -> None:
    """SIMBA scores the start last: those of its candidates that changed get the tag then, and keep what they had."""
    optimizer: Any = cast("Any", dspy).SIMBA(
        metric=exact, bsize=4, num_candidates=3, max_steps=2, max_demos=2, num_threads=1
    )
    with tracked(tracking_uri, "late flips"), dspy.context(lm=learning_lm(fickle=True)):
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(6), seed=3)
    (run,) = read_tree(tracking_uri, "late flips").runs
    [start] = [
        child.tags["dspy.trial.index"] for child in run.children if child.tags.get("dspy.trial.kind") == "baseline"
    ]
    traces = [info for info in example_traces(tracking_uri, "late flips") if "dspy.trial.index" in info.tags]

    def score(info: Any) -> float:
        return float(next(one.value for one in info.assessments if one.name == "exact"))

    before = {info.tags["dspy.example.id"]: score(info) for info in traces if info.tags["dspy.trial.index"] == start}
    assert len(before) == 6
    changed = 0
    for info in traces:
        difference = score(info) - before[info.tags["dspy.example.id"]]
        wanted = None if difference == 0 else ("improved" if difference > 0 else "worse")
        found = info.tags.get("otel_dspy.against_start")
        assert wanted == (None if found == "same" else found)
        assert info.token_usage is not None
        changed += difference != 0
    assert changed > 0


def test_traces_of_a_minibatch_are_compared_with_the_parents(tmp_path: Path) -> None:
    """GEPA tries a candidate on the minibatch on which it tried the parent: both scores are those of the same trial."""
    uri = blank_store(tmp_path)
    with tracked(uri, "minibatches"):
        optimize()
    traces = example_traces(uri, "minibatches")

    def by_role(role: str) -> dict[tuple[str, str], Any]:
        found = [info for info in traces if info.tags.get("dspy.evaluate.role") == role]
        return {(info.tags["dspy.trial.index"], info.tags["dspy.example.id"]): info for info in found}

    parents, candidates = by_role("parent"), by_role("candidate")
    compared = {key: info for key, info in candidates.items() if key in parents}
    for key, info in compared.items():
        after, before = (float(one.assessments[0].value) for one in (info, parents[key]))
        wanted = "same" if after == before else ("improved" if after > before else "worse")
        assert info.tags["otel_dspy.against_parent"] == wanted
    assert {info.tags["otel_dspy.against_parent"] for info in compared.values()} == {"improved", "same", "worse"}
    others = [info for info in traces if info.trace_id not in {one.trace_id for one in compared.values()}]
    assert not [info for info in others if "otel_dspy.against_parent" in info.tags]
