"""Run tree of a GEPA optimization in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from inline_snapshot import snapshot
from mlflow import MlflowClient

from tests.integration.end_to_end.conftest import tracked
from tests.support.blank_store import blank_store
from tests.support.gepa_task import optimize
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from tests.support.mlflow_tree import RunNode


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunNode:
    """The run of an optimization, with a child run for each trial, whatever became of it."""
    folder = tmp_path_factory.mktemp("gepa")
    uri = blank_store(folder)
    MlflowClient(uri).create_experiment("tree", artifact_location=(folder / "tree").as_uri())
    with tracked(uri, "tree"):
        optimize()
    (found,) = read_tree(uri, "tree").runs
    return found


def test_the_metrics_of_the_compile(run: RunNode) -> None:
    """A step is a trial: scores, the search's counts, and usage by role and model."""
    assert (run.name, run.status) == ("GEPA Pair", "FINISHED")
    points = {name: " ".join(f"{step}:{value!r}" for step, value in found) for name, found in run.metrics.items()}
    assert {name: text for name, text in points.items() if "tokens" not in name} == {
        "search/best_candidate": "0:0.0 1:1.0 3:1.0 4:3.0",
        "score/best": "0:0.3333333333333333 1:0.5 2:0.5 3:0.5 "
        "4:0.6666666666666666 5:0.6666666666666666 6:0.6666666666666666 7:0.6666666666666666",
        "search/candidates": "0:1.0 1:2.0 3:3.0 4:4.0",
        "score/full": "0:0.3333333333333333 1:0.5 3:0.5 4:0.6666666666666666",
        "score/minibatch": "5:0.5 6:0.5",
        "search/pareto_size": "0:1.0 1:2.0 3:3.0 4:4.0",
        "search/validation_count": "0:6.0 1:6.0 3:6.0 4:6.0",
        "search/validation_size": "0:6.0 1:6.0 3:6.0 4:6.0",
        "score/initial": "0:0.3333333333333333",
        "search/iteration": "0:0.0 1:1.0 2:2.0 3:3.0 4:4.0 5:5.0 6:6.0",
        "usage/lm_calls": "0:6.0 1:17.0 2:19.0 3:30.0 4:41.0 5:46.0 6:51.0 7:51.0",
        "usage/lm_calls/reflection": "1:1.0 2:1.0 3:2.0 4:2.0 5:3.0 6:4.0 7:4.0",
        "usage/lm_calls/task": "0:6.0 1:16.0 2:18.0 3:28.0 4:39.0 5:43.0 6:47.0 7:47.0",
        "search/metric_calls": "0:6.0 1:16.0 2:18.0 3:28.0 4:39.0 5:43.0 6:47.0",
        "search/metric_calls_left": "1:30.0 2:28.0 3:18.0 4:7.0 5:3.0 6:0.0",
        "search/minibatch_after": "1:0.5 3:0.5 4:0.6 5:0.5 6:0.5",
        "search/minibatch_before": "1:0.0 2:1.0 3:0.0 4:0.6 5:0.5 6:0.5",
        "usage/model/openai/reflecting/lm_calls": "1:1.0 2:1.0 3:2.0 4:2.0 5:3.0 6:4.0 7:4.0",
        "usage/model/openai/reflecting/unpriced_calls": "1:1.0 2:1.0 3:2.0 4:2.0 5:3.0 6:4.0 7:4.0",
        "usage/model/openai/scripted/lm_calls": "0:6.0 1:16.0 2:18.0 3:28.0 4:39.0 5:43.0 6:47.0 7:47.0",
        "usage/model/openai/scripted/unpriced_calls": "0:6.0 1:16.0 2:18.0 3:28.0 4:39.0 5:43.0 6:47.0 7:47.0",
        "search/pareto_score": "0:0.3333333333333333 1:0.6666666666666666 3:1.0 4:1.0",
        "usage/unpriced_calls": "0:6.0 1:17.0 2:19.0 3:30.0 4:41.0 5:46.0 6:51.0 7:51.0",
        "usage/unpriced_calls/reflection": "1:1.0 2:1.0 3:2.0 4:2.0 5:3.0 6:4.0 7:4.0",
        "usage/unpriced_calls/task": "0:6.0 1:16.0 2:18.0 3:28.0 4:39.0 5:43.0 6:47.0 7:47.0",
    }


def test_the_role_of_a_trace_separates_validation_from_minibatches(run: RunNode) -> None:
    """A trial's traces with the role `validation` are one for each example, and their mean is the trial's score."""
    counts: list[tuple[int, int]] = []
    for child in run.children:
        validated = [one for one in child.traces if one.tags.get("dspy.evaluate.role") == "validation"]
        counts.append((len(validated), len(child.traces)))
        if validated:
            scores = [one.assessments[0].value for one in validated]
            [(_, score)] = child.metrics["score/full"]
            assert sum(float(str(value)) for value in scores) / len(scores) == pytest.approx(score)
            assert len({one.tags["dspy.example.id"] for one in validated}) == len(validated)
    assert counts == [(6, 6), (6, 10), (0, 2), (6, 10), (6, 11), (0, 4), (0, 4)]


def test_the_trials(run: RunNode) -> None:
    """Accepted, rejected and merged proposals, with lineage and mini-batch."""
    shown = ("dspy.trial.kind", "dspy.trial.state", "dspy.trial.scope", "dspy.trial.score.unit", "dspy.trial.reason")
    assert [
        (child.name, child.status, [child.tags.get(name) for name in shown], child.params) for child in run.children
    ] == snapshot(
        [
            (
                "trial 0: start, candidate 0",
                "FINISHED",
                ["baseline", "complete", "full", "ratio", None],
                {"iteration": "0", "candidate": "0"},
            ),
            (
                "trial 1: candidate 1, left of candidate 0 changed",
                "FINISHED",
                ["candidate", "complete", "full", "ratio", None],
                {"iteration": "1", "parents": "[0]", "components": '["left"]', "minibatch": "[4, 3]", "candidate": "1"},
            ),
            (
                "trial 2: proposal from candidate 0",
                "FINISHED",
                ["candidate", "pruned", "minibatch", None, "all_scores_perfect"],
                {"iteration": "2", "parents": "[0]", "minibatch": "[1, 0]"},
            ),
            (
                "trial 3: candidate 2, right of candidate 0 changed",
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
                "trial 4: candidate 3, merge of 1 and 2",
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
                "trial 5: left of candidate 2 changed",
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
                "trial 6: right of candidate 1 changed",
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


def test_the_artifacts(run: RunNode) -> None:
    """Of the compile, and of each trial as far as it came."""
    assert sorted(run.artifacts) == snapshot(
        [
            "best_model.json",
            "initial_model.json",
            "optimization_summary.json",
            "trainset.json",
            "valset.json",
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


def test_the_tables_and_texts_of_a_merge(run: RunNode) -> None:
    """Scores by example, the Pareto front, the candidate's texts and their changes."""
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
# trial 4: candidate 3, merge of 1 and 2, 0.667 on 6 examples

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


def test_the_traces_of_the_trials(run: RunNode) -> None:
    """Each example that a trial was scored on."""
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
