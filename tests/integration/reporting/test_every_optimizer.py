from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy.teleprompt import BootstrapFewShotWithOptuna

import otel_dspy
import otel_dspy.mlflow
from otel_dspy.reporting.sections.lineage import lineage
from tests.support import addition_task
from tests.support.blank_store import store_with_experiment
from tests.support.gepa_task import TRAINSET, VALSET, Pair, graded, reflection_lm, task_lm
from tests.support.learning_lm import learning_lm
from tests.support.optimizers import Rounds
from tests.versions.scenario import Sums, exact, examples, served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otel_dspy.reporting.report import Report

pytestmark = pytest.mark.slow  # the demo's run stands for all with every test; unit tests have the lineage
EXPERIMENT = "optimizations"


def reported(folder: Path, optimize: Callable[[], object]) -> Report:
    """Record an optimization and read its report."""
    uri = store_with_experiment(folder, EXPERIMENT)
    otel_dspy.mlflow.autolog(tracking_uri=uri, experiment=EXPERIMENT)
    try:
        optimize()
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    return otel_dspy.report(tracking_uri=uri)


def test_gepa_has_a_lineage(tmp_path: Path) -> None:
    """Scores, winner, and parents in the report are those of GEPA's own result."""
    done: list[Any] = []

    def optimize() -> None:
        with dspy.context(lm=task_lm()):
            optimizer: Any = dspy.GEPA(
                metric=graded,
                reflection_lm=reflection_lm(),
                max_metric_calls=60,
                num_threads=1,
                track_stats=True,
                seed=0,
            )
            done.append(optimizer.compile(Pair(), trainset=TRAINSET, valset=VALSET).detailed_results)

    report = reported(tmp_path, optimize)
    [result] = done
    found = report.compile
    accepted = [trial for trial in found.trials if "candidate" in trial.row.parameters]
    assert [trial.row.score for trial in accepted] == result.val_aggregate_scores
    by_candidate: list[dict[int, float]] = result.val_subscores
    assert [list(trial.scores.values()) for trial in accepted] == [
        [scores[number] for number in range(len(VALSET))] for scores in by_candidate
    ]
    assert found.best_score == max(result.val_aggregate_scores)
    assert 'id="lineage"' in report.html
    assert f"candidate {len(accepted) - 1}" in report.html


def test_simba_has_a_lineage(tmp_path: Path) -> None:
    """Each program that SIMBA has validated is a node, below the program that a strategy changed."""

    def optimize() -> None:
        with dspy.context(lm=learning_lm(fickle=True)):
            optimizer = cast("Any", dspy).SIMBA(
                metric=addition_task.exact, bsize=4, num_candidates=3, max_steps=2, max_demos=2, num_threads=1
            )
            optimizer.compile(dspy.Predict("question -> answer"), trainset=addition_task.examples(6), seed=3)

    report = reported(tmp_path, optimize)
    found = lineage(report.compile)
    assert found is not None
    start, *others = found.nodes
    assert (start.depth, start.parents, all(node.parents for node in others)) == (0, (), True)
    assert max(node.depth for node in others) > 1
    assert {node.components for node in others} <= {("append_a_demo",), ("append_a_rule",)}
    [winner] = [node for node in found.nodes if node.is_winner]
    assert (winner.score, winner.is_full) == (report.compile.best_score, True)
    assert 'id="lineage"' in report.html


@pytest.mark.parametrize(
    ("make", "given", "scored", "derived", "scored_on"),
    [
        (lambda: dspy.BootstrapFewShot(metric=exact, max_bootstrapped_demos=1), {}, False, False, "training"),
        (
            lambda: dspy.COPRO(metric=exact, breadth=2, depth=1),
            {"eval_kwargs": {"num_threads": 1}},
            True,
            True,
            "training",
        ),
        (
            lambda: dspy.InferRules(metric=exact, num_candidates=1, num_rules=1),
            {"valset": examples(2)},
            True,
            False,
            "validation",
        ),
        (
            lambda: dspy.SIMBA(metric=exact, bsize=2, num_candidates=2, max_steps=1, max_demos=1),
            {"seed": 0},
            True,
            False,
            "training",
        ),
        (lambda: dspy.BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=1), {}, True, False, "training"),
        (
            lambda: cast("Any", dspy).BetterTogether(exact, p=dspy.BootstrapFewShot(metric=exact)),
            {"strategy": "p", "valset": examples(2)},
            True,
            True,
            "validation",
        ),
        (
            lambda: BootstrapFewShotWithOptuna(exact, num_candidate_programs=1),
            {"max_demos": 1},
            True,
            False,
            "training",
        ),
        (lambda: Rounds(exact), {}, True, False, "training"),
    ],
    ids=["BootstrapFewShot", "COPRO", "InferRules", "SIMBA", "RandomSearch", "BetterTogether", "Optuna", "of a user"],
)
def test_every_optimizer_has_a_page(  # noqa: PLR0913 - a column of the table each
    tmp_path: Path, make: Callable[[], Any], given: dict[str, Any], *, scored: bool, derived: bool, scored_on: str
) -> None:
    """Whatever an optimizer records, there is a page of it, and a start only if the initial program was scored.

    Without a validation set DSPy scores on the training set, which the page names. Those that derive programs from each other have a lineage; here SIMBA's strategies change nothing.
    """

    def optimize() -> None:
        with served() as (_, lm), dspy.context(lm=lm):
            program = Sums()
            program.set_lm(lm)  # BetterTogether asks for it
            make().compile(program, trainset=examples(4), **given)

    report = reported(tmp_path, optimize)
    assert (report.compile.best_score is not None) is scored
    start = report.compile.start
    assert start is None or start.row.kind == "baseline" or start.program == report.compile.initial_program
    assert f"<h1>{report.verdict.headline}</h1>" in report.html
    assert ('id="lineage"' in report.html) is derived
    assert report.compile.scored_on == json.loads(report.json)["scored_on"] == scored_on
    assert f" {scored_on} example" in report.html.rpartition('id="setup"')[2]
    assert ('id="scores"' in report.html) is scored
