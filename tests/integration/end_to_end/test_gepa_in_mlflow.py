"""A GEPA optimization in MLflow: its run tree, and that nothing which gepa's own `use_mlflow` writes is missing."""

from __future__ import annotations

import json
from contextlib import contextmanager
from statistics import fmean
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from inline_snapshot import snapshot
from mlflow import MlflowClient

from tests.integration.end_to_end.conftest import tracked
from tests.support.blank_store import blank_store
from tests.support.gepa_task import TRAINSET, VALSET, Interrupted, graded, optimize
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

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
    """A local store with experiments for us and one for gepa's own logging."""
    folder = tmp_path_factory.mktemp("gepa")
    uri = blank_store(folder)
    for name in ("tree", "killed", "ours", "theirs"):
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


def test_the_whole_run_tree(store: str) -> None:
    """A child run a trial, whatever became of it, with lineage, scores by example, Pareto front and texts."""
    with tracked(store, "tree"):
        optimize()
    (run,) = read_tree(store, "tree").runs
    assert (run.name, run.status) == ("GEPA Pair", "FINISHED")
    assert {name: points for name, points in run.metrics.items() if "tokens" not in name} == snapshot(
        {
            "search/best_candidate": ((0, 0.0), (1, 1.0), (3, 1.0), (4, 3.0)),
            "score/best": (
                (0, 0.3333333333333333),
                (1, 0.5),
                (2, 0.5),
                (3, 0.5),
                (4, 0.6666666666666666),
                (5, 0.6666666666666666),
                (6, 0.6666666666666666),
                (7, 0.6666666666666666),
            ),
            "usage/cache_hits": ((0, 0.0), (1, 0.0), (2, 0.0), (3, 0.0), (4, 0.0), (5, 0.0), (6, 0.0), (7, 0.0)),
            "search/candidates": ((0, 1.0), (1, 2.0), (3, 3.0), (4, 4.0)),
            "score/full": ((0, 0.3333333333333333), (1, 0.5), (3, 0.5), (4, 0.6666666666666666)),
            "score/minibatch": ((5, 0.5), (6, 0.5)),
            # The program asks one of its two predictors, not both.
            "usage/forecast/lm_calls_high": ((0, 122.0),),
            "usage/forecast/lm_calls_high/reflection": ((0, 10.0),),
            "usage/forecast/lm_calls_high/task": ((0, 112.0),),
            "usage/forecast/lm_calls_low": ((0, 92.0),),
            "usage/forecast/lm_calls_low/reflection": ((0, 0.0),),
            "usage/forecast/lm_calls_low/task": ((0, 92.0),),
            "search/pareto_size": ((0, 1.0), (1, 2.0), (3, 3.0), (4, 4.0)),
            "search/validation_count": ((0, 6.0), (1, 6.0), (3, 6.0), (4, 6.0)),
            "search/validation_size": ((0, 6.0), (1, 6.0), (3, 6.0), (4, 6.0)),
            "score/initial": ((0, 0.3333333333333333),),
            "search/iteration": ((0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0), (6, 6.0)),
            "usage/lm_calls": ((0, 6.0), (1, 17.0), (2, 19.0), (3, 30.0), (4, 41.0), (5, 46.0), (6, 51.0), (7, 51.0)),
            "usage/lm_calls/reflection": ((1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0), (5, 3.0), (6, 4.0), (7, 4.0)),
            "usage/lm_calls/task": (
                (0, 6.0),
                (1, 16.0),
                (2, 18.0),
                (3, 28.0),
                (4, 39.0),
                (5, 43.0),
                (6, 47.0),
                (7, 47.0),
            ),
            "search/metric_calls": ((0, 6.0), (1, 16.0), (2, 18.0), (3, 28.0), (4, 39.0), (5, 43.0), (6, 47.0)),
            "search/metric_calls_left": ((1, 30.0), (2, 28.0), (3, 18.0), (4, 7.0), (5, 3.0), (6, 0.0)),
            "search/minibatch_after": ((1, 0.5), (3, 0.5), (4, 0.6), (5, 0.5), (6, 0.5)),
            "search/minibatch_before": ((1, 0.0), (2, 1.0), (3, 0.0), (4, 0.6), (5, 0.5), (6, 0.5)),
            "usage/model/openai/reflecting/lm_calls": (
                (1, 1.0),
                (2, 1.0),
                (3, 2.0),
                (4, 2.0),
                (5, 3.0),
                (6, 4.0),
                (7, 4.0),
            ),
            "usage/model/openai/reflecting/unpriced_calls": (
                (1, 1.0),
                (2, 1.0),
                (3, 2.0),
                (4, 2.0),
                (5, 3.0),
                (6, 4.0),
                (7, 4.0),
            ),
            "usage/model/openai/scripted/lm_calls": (
                (0, 6.0),
                (1, 16.0),
                (2, 18.0),
                (3, 28.0),
                (4, 39.0),
                (5, 43.0),
                (6, 47.0),
                (7, 47.0),
            ),
            "usage/model/openai/scripted/unpriced_calls": (
                (0, 6.0),
                (1, 16.0),
                (2, 18.0),
                (3, 28.0),
                (4, 39.0),
                (5, 43.0),
                (6, 47.0),
                (7, 47.0),
            ),
            "search/pareto_score": ((0, 0.3333333333333333), (1, 0.6666666666666666), (3, 1.0), (4, 1.0)),
            "usage/unpriced_calls": (
                (0, 6.0),
                (1, 17.0),
                (2, 19.0),
                (3, 30.0),
                (4, 41.0),
                (5, 46.0),
                (6, 51.0),
                (7, 51.0),
            ),
            "usage/unpriced_calls/reflection": ((1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0), (5, 3.0), (6, 4.0), (7, 4.0)),
            "usage/unpriced_calls/task": (
                (0, 6.0),
                (1, 16.0),
                (2, 18.0),
                (3, 28.0),
                (4, 39.0),
                (5, 43.0),
                (6, 47.0),
                (7, 47.0),
            ),
        }
    )
    assert sorted(run.artifacts) == snapshot(
        [
            "best_model.json",
            "initial_model.json",
            "optimization_summary.json",
            "trainset.json",
            "valset.json",
        ]
    )
    shown = ("dspy.trial.kind", "dspy.trial.state", "dspy.trial.scope", "dspy.trial.score.unit", "dspy.trial.reason")
    assert [
        (child.name, child.status, [child.tags.get(name) for name in shown], child.params) for child in run.children
    ] == snapshot(
        [
            (
                "trial 0: seed",
                "FINISHED",
                ["baseline", "complete", "full", "ratio", None],
                {"iteration": "0", "candidate": "0"},
            ),
            (
                "trial 1: iteration 1",
                "FINISHED",
                ["candidate", "complete", "full", "ratio", None],
                {"iteration": "1", "parents": "[0]", "components": '["left"]', "minibatch": "[4, 3]", "candidate": "1"},
            ),
            (
                "trial 2: iteration 2",
                "FINISHED",
                ["candidate", "pruned", "minibatch", None, "all_scores_perfect"],
                {"iteration": "2", "parents": "[0]", "minibatch": "[1, 0]"},
            ),
            (
                "trial 3: iteration 3",
                "FINISHED",
                ["candidate", "complete", "full", "ratio", None],
                {
                    "iteration": "3",
                    "parents": "[0]",
                    "components": '["right"]',
                    "minibatch": "[5, 2]",
                    "candidate": "2",
                },
            ),
            (
                "trial 4: iteration 4",
                "FINISHED",
                ["merge", "complete", "full", "ratio", None],
                {
                    "iteration": "4",
                    "parents": "[1, 2]",
                    "ancestor": "0",
                    "components": '["left", "right"]',
                    "minibatch": "[1, 2, 5, 0, 3]",
                    "candidate": "3",
                },
            ),
            (
                "trial 5: iteration 5",
                "FINISHED",
                [
                    "candidate",
                    "rejected",
                    "minibatch",
                    "ratio",
                    "New subsample score 1.0 not better than old score 1.0",
                ],
                {"iteration": "5", "parents": "[2]", "components": '["left"]', "minibatch": "[4, 3]"},
            ),
            (
                "trial 6: iteration 6",
                "FINISHED",
                [
                    "candidate",
                    "rejected",
                    "minibatch",
                    "ratio",
                    "New subsample score 1.0 not better than old score 1.0",
                ],
                {"iteration": "6", "parents": "[1]", "components": '["right"]', "minibatch": "[1, 5]"},
            ),
        ]
    )
    assert [sorted(child.artifacts) for child in run.children] == snapshot(
        [
            ["changes.md", "model.json", "pareto_front.json", "result_table.json", "scores.json"],
            [
                "candidate.json",
                "changes.md",
                "model.json",
                "pareto_front.json",
                "result_table.json",
                "result_table_candidate.json",
                "result_table_parent.json",
                "scores.json",
            ],
            ["result_table_parent.json", "scores.json"],
            [
                "candidate.json",
                "changes.md",
                "model.json",
                "pareto_front.json",
                "result_table.json",
                "result_table_candidate.json",
                "result_table_parent.json",
                "scores.json",
            ],
            [
                "candidate.json",
                "changes.md",
                "model.json",
                "pareto_front.json",
                "result_table.json",
                "result_table_candidate.json",
                "scores.json",
            ],
            [
                "candidate.json",
                "changes.md",
                "model.json",
                "result_table_candidate.json",
                "result_table_parent.json",
                "scores.json",
            ],
            [
                "candidate.json",
                "changes.md",
                "model.json",
                "result_table_candidate.json",
                "result_table_parent.json",
                "scores.json",
            ],
        ]
    )
    merge = run.children[4]
    assert merge.artifacts["scores.json"] == snapshot(
        {
            "columns": ["on", "id", "before", "score"],
            "data": [
                ["minibatch", 1, [1.0, 0.0], 1.0],
                ["minibatch", 2, [1.0, 0.0], 1.0],
                ["minibatch", 5, [0.0, 1.0], 1.0],
                ["minibatch", 0, [0.0, 1.0], 0.0],
                ["minibatch", 3, [1.0, 0.0], 0.0],
                ["validation", 0, None, 0.0],
                ["validation", 1, None, 1.0],
                ["validation", 2, None, 1.0],
                ["validation", 3, None, 0.0],
                ["validation", 4, None, 1.0],
                ["validation", 5, None, 1.0],
            ],
        }
    )
    assert merge.artifacts["pareto_front.json"] == snapshot(
        {
            "columns": ["of", "id", "score", "candidates"],
            "data": [
                ["example", 0, 1.0, [0, 2]],
                ["example", 1, 1.0, [1, 3]],
                ["example", 2, 1.0, [1, 3]],
                ["example", 3, 1.0, [0, 1]],
                ["example", 4, 1.0, [2, 3]],
                ["example", 5, 1.0, [2, 3]],
            ],
        }
    )
    assert merge.artifacts["candidate.json"] == snapshot(
        {
            "left": {"before": {"1": "Knows 1 2.", "2": "Knows 0."}, "after": "Knows 1 2."},
            "right": {"before": {"1": "Knows 0.", "2": "Knows 1 2."}, "after": "Knows 1 2."},
        }
    )
    assert merge.artifacts["changes.md"] == snapshot("""\
# trial 4: iteration 4, 0.667 on 6 examples

Program 938b15ea956744f7

## Changes since the initial program (344cfc27365a4ca7)

### left: instructions

```diff
@@ -1 +1 @@
-Knows 0.
+Knows 1 2.
```

### right: instructions

```diff
@@ -1 +1 @@
-Knows 0.
+Knows 1 2.
```

## Changes since its parent (6dabfbaa5afd8910)

### right: instructions

```diff
@@ -1 +1 @@
-Knows 0.
+Knows 1 2.
```

## Changes since its parent (dd0fed318442b91e)

### left: instructions

```diff
@@ -1 +1 @@
-Knows 0.
+Knows 1 2.
```

## Its texts

### left: instructions

```text
Knows 1 2.
```

### left: field descriptions

```text
Question: ${question}
Answer: ${answer}
```

### right: instructions

```text
Knows 1 2.
```

### right: field descriptions

```text
Question: ${question}
Answer: ${answer}
```
""")
    assert [[trace.name for trace in child.traces] for child in run.children][:2] == snapshot(
        [
            [
                "Pair example 0",
                "Pair example 1",
                "Pair example 2",
                "Pair example 3",
                "Pair example 4",
                "Pair example 5",
            ],
            [
                "Pair example 2",
                "Pair example 4",
                "Pair example 2",
                "Pair example 4",
                "Pair example 0",
                "Pair example 1",
                "Pair example 2",
                "Pair example 3",
                "Pair example 4",
                "Pair example 5",
            ],
        ]
    )


def test_a_run_resumed_from_a_checkpoint_and_killed(store: str, tmp_path: Path) -> None:
    """It records its origin and what was found before; the trial in which Ctrl-C came is killed, as is the run."""
    optimize(log_dir=str(tmp_path), max_metric_calls=25)
    with tracked(store, "killed"), pytest.raises(KeyboardInterrupt):
        optimize(log_dir=str(tmp_path), metric=Interrupted(8, KeyboardInterrupt(), graded))
    (run,) = read_tree(store, "killed").runs
    assert (run.status, run.tags["error.type"]) == ("KILLED", "KeyboardInterrupt")
    assert (run.tags["dspy.compile.resumed.from"], run.tags["dspy.compile.resumed.iteration"]) == (str(tmp_path), "3")
    assert [(child.name, child.status, child.tags["dspy.trial.state"]) for child in run.children] == snapshot(
        [
            ("trial 0: seed, restored", "FINISHED", "complete"),
            ("trial 1: candidate 1, restored", "FINISHED", "complete"),
            ("trial 2: candidate 2, restored", "FINISHED", "complete"),
            ("trial 3: iteration 4", "KILLED", "fail"),
        ]
    )
    assert run.metrics["score/full"] == snapshot(((0, 0.3333333333333333), (1, 0.5), (2, 0.5)))
    # What the seed scored again before gepa loaded the checkpoint is the compile's; trial 0 has gepa's stored rows.
    assert len(run.artifacts["resume_table.json"]["data"]) == len(VALSET)
    assert "result_table.json" not in run.children[0].artifacts
    stored = [row["score"] for row in table(run.children[0].artifacts["scores.json"])]
    assert fmean(stored) == pytest.approx(1 / 3)


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


def table(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A table's rows."""
    return [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]


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
