"""The saved view of trials, opened by its link in a browser.

`tests/unit/mlflow/tracking/test_saved_view_tag.py` has the view as data, without a browser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from mlflow import MlflowClient

import otel_dspy.mlflow
from otel_dspy.mlflow.mapping.runs.saved_view_content import trials_link
from tests.support.addition_task import exact, examples
from tests.support.browser import NEEDS_CHROMIUM, chromium
from tests.support.learning_lm import learning_lm

if TYPE_CHECKING:
    from collections.abc import Sequence

EXPERIMENT = "saved view in a browser"
PATIENCE = 120_000
"""Milliseconds to wait for a page of MLflow, which takes long to start on a loaded machine."""

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]  # a browser starts


def optimize() -> Any:
    """A trial without demos, and one with two that are better."""
    with dspy.context(lm=learning_lm()):
        search: Any = dspy.BootstrapFewShotWithRandomSearch(metric=exact, num_threads=1, max_labeled_demos=2)
        program = dspy.Predict("question -> answer")
        return search.compile(program, trainset=examples(2), valset=examples(4), restrict=[-3, -2])


def cells(page: Any, columns: Sequence[str]) -> list[list[str]]:
    """Texts of the table of runs, row by row. Each row has an element in each of the table's panes."""
    ids = list(dict.fromkeys(row.get_attribute("row-id") for row in page.locator("[role=row][row-id]").all()))
    texts: list[list[str]] = []
    for row_id in ids:
        row = page.locator(f'[role=row][row-id="{row_id}"]')
        texts.append([row.locator(f'[col-id="{column}"]').inner_text() for column in columns])
    return texts


def test_the_link_opens_the_trials_best_first(server_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With choice, score, number of examples and tokens as columns; scores are those of DSPy's own result; nothing but trials is listed."""
    monkeypatch.setenv("OTEL_DSPY_REPORT", "true")
    otel_dspy.mlflow.autolog(tracking_uri=server_uri, experiment=EXPERIMENT)
    try:
        best = optimize()
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    experiment = MlflowClient(server_uri).get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1700, "height": 800})
        link = f"{server_uri}/{trials_link(experiment.experiment_id)}"
        page.goto(link, wait_until="domcontentloaded", timeout=PATIENCE)
        page.locator('[role=row] [col-id="metrics.`score/full`"]').first.wait_for(timeout=PATIENCE)
        headers = [text for text in page.get_by_role("columnheader").all_inner_texts() if text]
        columns = (
            "attributes.`Run Name`",
            "attributes.`Description`",
            "metrics.`score/full`",
            "metrics.`score/num_examples`",
        )
        rows = cells(page, columns)
    shown = ["Run Name", "Created", "Metrics", "Duration", "Description", "score/full", "score/num_examples",
             "usage/input_tokens", "usage/output_tokens"]  # fmt: skip
    # MLflow leaves out the columns of metrics that no run has: minibatch, cost, errors.
    assert list(dict.fromkeys(headers)) == shown
    scores = [candidate["score"] for candidate in best.candidate_programs]
    assert scores == [100.0, 50.0]
    counts = [len(candidate["subscores"]) for candidate in best.candidate_programs]
    assert counts == [4, 4]
    assert [
        [name.splitlines()[-1], described.split(" of ")[0], float(score), int(count)]
        for name, described, score, count in rows
    ] == [
        ["trial 1: seed -2", "seed -2: 100.0 %", scores[0], counts[0]],
        ["trial 0: start, seed -3", "start, seed -3: 50.0 %", scores[1], counts[1]],
    ]
