"""What gepa's own `use_mlflow` writes has its counterpart in the runs of otel-dspy."""

from __future__ import annotations

import json
from contextlib import contextmanager
from statistics import fmean
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from mlflow import MlflowClient

from tests.integration.end_to_end.conftest import tracked
from tests.support.artifact_tables import table
from tests.support.blank_store import blank_store
from tests.support.gepa_task import TRAINSET, VALSET, graded, optimize
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import dspy

    from tests.support.mlflow_tree import RunNode


def graded_by_objective(
    gold: Any, pred: Any, trace: object = None, pred_name: str | None = None, pred_trace: object = None
) -> dspy.Prediction:
    """The task's metric, with two objectives beside the score."""
    verdict = graded(gold, pred, trace, pred_name, pred_trace)
    verdict["objective_scores"] = {"right": verdict["score"], "short": float(len(pred["answer"]) < 2)}
    return verdict


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A local store with an experiment of otel-dspy and one of gepa's own logging."""
    folder = tmp_path_factory.mktemp("gepa")
    uri = blank_store(folder)
    for name in ("ours", "theirs"):
        MlflowClient(uri).create_experiment(name, artifact_location=(folder / name).as_uri())
    return uri


@contextmanager
def tracking_restored() -> Generator[None]:
    """MLflow's global tracking URI, which gepa sets, is as it was when the block has ended."""
    before = mlflow.get_tracking_uri()
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def test_everything_that_gepa_writes_itself_has_its_counterpart(store: str) -> None:
    """Each of its metrics at each step, each parameter and each row of its tables stands in our run with that value."""
    settings: dict[str, Any] = {"metric": graded_by_objective, "gepa_kwargs": {"frontier_type": "hybrid"}}
    with tracked(store, "ours"):
        optimize(**settings)
    own: dict[str, Any] = {"mlflow_tracking_uri": store, "mlflow_experiment_name": "theirs"}
    own = {**settings, "use_mlflow": True, "gepa_kwargs": {**settings["gepa_kwargs"], **own}}
    with tracking_restored():
        optimize(**own)
    (ours,), (theirs,) = read_tree(store, "ours").runs, read_tree(store, "theirs").runs
    by_step = {int(trial.metrics["search/iteration"][0][1]): trial for trial in ours.children}
    # Of the seed gepa writes no objectives; ours are the means over its rows, as those of any candidate.
    for trial in (ours.children[0], next(child for child in ours.children[1:] if "candidate" in child.params)):
        rows = table(trial.artifacts["result_table.json"])
        assert {
            name: points[0][1] for name, points in trial.metrics.items() if name.startswith("score/objective/")
        } == {
            f"score/{name}": pytest.approx(fmean(row[name] for row in rows))
            for name in ("objective/right", "objective/short")
        }
        front = [row for row in table(trial.artifacts["pareto_front.json"]) if row["of"] == "objective"]
        assert {row["id"] for row in front} == {"right", "short"}
    (first, *_) = ours.children[0].traces
    assert {found.name: found.value for found in first.assessments}.keys() == {
        "graded_by_objective", "graded_by_objective/right", "graded_by_objective/short"
    }  # fmt: skip

    summary = {"best_candidate_idx", "best_valset_score", "total_iterations", "total_candidates"}
    for name, points in theirs.metrics.items():
        if name in summary:
            continue
        for step, value in {step: max(value for at, value in points if at == step) for step, _ in points}.items():
            assert (name, step, measured(name, by_step[step], ours)) == (name, step, value)
    last = ours.children[-1]
    pool = [trial for trial in ours.children if "candidate" in trial.params]
    assert {name: theirs.metrics[name][0][1] for name in sorted(summary)} == {
        "best_candidate_idx": pool[-1].metrics["search/best_candidate"][0][1],
        "best_valset_score": ours.metrics["score/best"][-1][1],
        "total_candidates": pool[-1].metrics["search/candidates"][0][1],
        "total_iterations": last.metrics["search/iteration"][0][1] - 1,  # gepa's counts from 0
    }

    first, best = ours.artifacts["initial_model.json"], ours.artifacts["best_model.json"]
    assert theirs.params == {
        "seed": ours.params["seed"],
        "perfect_score": ours.params["perfect_score"],
        "frontier_type": ours.params["frontier_type"],
        "track_best_outputs": ours.params["track_best_outputs"].title(),
        "use_cloudpickle": ours.params["use_cloudpickle"].title(),
        "raise_on_exception": ours.params["raise_on_exception"].title(),
        "trainset_size": str(len(ours.artifacts["trainset.json"]["data"])),
        "valset_size": str(len(ours.artifacts["valset.json"]["data"])),
        "seed_candidate_components": str(json.loads(ours.params["components"])),
        "val_evaluation_policy": {"full_eval": "FullEvaluationPolicy"}[ours.params["val_evaluation_policy"]],
        "has_merge_proposer": ours.params["use_merge"].title(),
        "run_dir": ours.params.get("log_dir", "None"),
        **{f"summary/seed/{name}": instructions(first, name) for name in ("left", "right")},
        **{f"summary/best/{name}": instructions(best, name) for name in ("left", "right")},
    }

    tables = {name: content for name, content in theirs.artifacts.items() if name.endswith(".json")}
    wanted = counterparts(ours)
    assert sorted(tables) == sorted(wanted)
    # A page for each step of the tree, which loads a script from the network: the report has the lineage instead.
    trees = {name for name in theirs.artifacts if name.startswith("candidate_tree/")}
    assert set(theirs.artifacts) == {*tables, *trees}
    for name, content in tables.items():
        assert (name, kept(table(content))) == (name, kept(wanted[name]))
    assert len(TRAINSET) == len(ours.artifacts["trainset.json"]["data"])
    assert len(VALSET) == len(ours.artifacts["valset.json"]["data"])


def measured(name: str, trial: RunNode, run: RunNode) -> float:
    """What we have for one of gepa's metrics."""
    values = {key: points[0][1] for key, points in trial.metrics.items()}
    index = int(trial.tags["dspy.trial.index"])
    size = len(json.loads(trial.params.get("minibatch", "[]")))
    if name.startswith("objective/"):
        return values[f"score/{name}"]
    sums = {"subsample_score": "before", "new_subsample_score": "after", "subsample/before": "before"}
    if name in {*sums, "subsample/after"}:
        return round(values[f"search/minibatch_{sums.get(name, 'after')}"] * size, 9)
    if name == "selected_program_candidate":
        return json.loads(trial.params["parents"])[0]
    if name == "new_program_idx":
        return float(trial.params["candidate"])
    if name == "best_score_on_valset":
        return dict(run.metrics["score/best"])[index]
    return values[
        {
            "iteration": "search/iteration",
            "total_metric_calls": "search/metric_calls",
            "valset_pareto_front_agg": "search/pareto_score",
            "linear_pareto_front_program_idx": "search/best_candidate",
            "best_program_as_per_agg_score_valset": "search/best_candidate",
            "val_evaluated_count_new_program": "search/validation_count",
            "val_total_count": "search/validation_size",
            "val_program_average": "score/full",
        }[name]
    ]


def kept(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as `mlflow.log_table` keeps them: ten digits, and a text may have become a number."""
    return [
        {name: round(value, 10) if isinstance(value, float) else str(value) for name, value in row.items()}
        for row in rows
    ]


def instructions(model: Mapping[str, Any], component: str) -> str:
    """A component's text in a saved program."""
    return model[component]["signature"]["instructions"]


def counterparts(run: RunNode) -> dict[str, list[dict[str, Any]]]:
    """The tables that gepa writes, put together from our trials."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for trial in run.children[1:]:  # gepa's tables leave the seed out
        iteration = int(trial.metrics["search/iteration"][0][1])
        parents = json.loads(trial.params["parents"])
        accepted = "candidate" in trial.params
        index = int(trial.params.get("candidate", -1))
        scores = table(trial.artifacts["scores.json"]) if "scores.json" in trial.artifacts else []
        if accepted:
            model = trial.artifacts["model.json"]
            lineage = {"candidate_idx": index, "parent_ids": str(parents)}
            rows.setdefault("candidates.json", []).append(
                {
                    "iteration": iteration,
                    **lineage,
                    "valset_score": trial.metrics["score/full"][0][1],
                    "is_best": trial.metrics["search/best_candidate"][0][1] == index,
                    **{f"text:{name}": instructions(model, name) for name in ("left", "right")},
                }
            )
            rows.setdefault("valset_scores.json", []).append(
                {**lineage, **{str(row["id"]): row["score"] for row in scores if row["on"] == "validation"}}
            )
            objectives = {
                name.removeprefix("score/objective/"): points[0][1]
                for name, points in trial.metrics.items()
                if name.startswith("score/objective/")
            }
            rows.setdefault("objective_scores.json", []).append({**lineage, **objectives})
            for row in table(trial.artifacts["pareto_front.json"]):
                name, key = {
                    "example": ("valset_pareto_front.json", "val_id"),
                    "objective": ("objective_pareto_front.json", "objective"),
                }[row["of"]]
                rows.setdefault(name, []).append(
                    {key: row["id"], "best_score": row["score"], "program_ids": str(row["candidates"])}
                )
        if trial.tags["dspy.trial.kind"] == "candidate" and "candidate.json" in trial.artifacts:
            minibatch = [row for row in scores if row["on"] == "minibatch"]
            for component, texts in trial.artifacts["candidate.json"].items():
                rows.setdefault("proposals.json", []).append(
                    {
                        "iteration": iteration,
                        "component": component,
                        "status": "accepted" if accepted else "rejected",
                        "candidate_idx": index,
                        "parent_ids": str(parents),
                        "subsample_score_before": sum(row["before"] for row in minibatch),
                        "subsample_score_after": sum(row["score"] for row in minibatch),
                        # DSPy hands gepa no prompts; ours are in the trace, in the phase `propose`.
                        "prompt": "",
                        "raw_lm_output": "",
                        "proposed_text": texts["after"],
                    }
                )
    return rows
