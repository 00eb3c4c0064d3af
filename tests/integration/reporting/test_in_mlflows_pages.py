"""MLflow's page of an optimization, in a browser: its numbers are those of the object that DSPy returned."""

from __future__ import annotations

import re
import uuid
from typing import Any

import dspy
import pytest
from mlflow import MlflowClient

import otel_dspy.mlflow
from otel_dspy.mlflow.mapping.runs.saved_view_content import trials_link
from tests.support.addition_task import exact, examples
from tests.support.browser import NEEDS_CHROMIUM, chromium
from tests.support.learning_lm import learning_lm

PATIENCE = 120_000
"""Milliseconds to wait for a page of MLflow, which takes long to start on a loaded machine."""

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]  # a browser starts


@pytest.fixture(scope="module")
def experiment() -> str:
    """Name of an experiment of this process alone: workers of pytest-xdist share the server."""
    return f"pages of an optimization {uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def best(server_uri: str, experiment: str) -> Any:
    """The returned program of a random search: demos solve some of the odd sums."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_DSPY_REPORT", "true")
        otel_dspy.mlflow.autolog(tracking_uri=server_uri, experiment=experiment)
        try:
            with dspy.context(lm=learning_lm()):
                search: Any = dspy.BootstrapFewShotWithRandomSearch(
                    metric=exact, num_threads=1, max_labeled_demos=2, num_candidate_programs=2
                )
                found = search.compile(dspy.Predict("question -> answer"), trainset=examples(3), valset=examples(8))
        finally:
            otel_dspy.mlflow.autolog(disable=True)
    return found


@pytest.fixture(scope="module")
def address(best: Any, server_uri: str, experiment: str) -> str:
    """Address of the optimization's run in MLflow's UI."""
    assert best.candidate_programs
    client = MlflowClient(server_uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = client.search_runs([found.experiment_id], "tags.`dspy.optimizer.name` LIKE '%RandomSearch'")
    [run] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    return f"{server_uri}/#/experiments/{found.experiment_id}/runs/{run.info.run_id}"


def by_seed(best: Any) -> list[dict[str, Any]]:
    """The candidates in the order of the trials."""
    return sorted(best.candidate_programs, key=lambda candidate: candidate["seed"])


def choice(place: int, trial: dict[str, Any]) -> str:
    """What a trial tried, as the report has it: the first is the start."""
    return f"{'' if place else 'start, '}seed {trial['seed']}"


def headline(best: Any) -> str:
    """The sentence that begins description and report."""
    trials = by_seed(best)
    winner = max(trials, key=lambda trial: trial["score"])
    return (
        f"BootstrapFewShotWithRandomSearch on Predict: from {trials[0]['score']:.1f} % to {winner['score']:.1f} %, "
        f"trial {trials.index(winner)} won (seed {winner['seed']})"
    )


def changes(best: Any) -> tuple[int, int]:
    """How many examples improved and got worse, from the first trial to the best."""
    trials = by_seed(best)
    before, after = trials[0]["subscores"], max(trials, key=lambda trial: trial["score"])["subscores"]
    pairs = list(zip(before, after, strict=True))
    return sum(new > old for old, new in pairs), sum(new < old for old, new in pairs)


def test_the_page_of_the_run(best: Any, address: str) -> None:
    """The description has the verdict, changes, trials, a link to the saved view; the metrics begin with the scores."""
    trials = by_seed(best)
    gained, lost = changes(best)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1700, "height": 900})
        page.goto(address, wait_until="domcontentloaded", timeout=PATIENCE)
        page.get_by_text(headline(best)).wait_for(timeout=PATIENCE)
        if (more := page.get_by_role("button", name="Show more")).count():
            more.first.click()
        page.get_by_role("link", name="Trials of the experiment, best first").wait_for(timeout=PATIENCE)
        link = page.get_by_role("link", name="Trials of the experiment, best first").get_attribute("href")
        page.get_by_role("link", name="score/best").wait_for(timeout=PATIENCE)
        text = page.locator("body").inner_text()
        rows = page.locator("table tbody tr").all_inner_texts()
        children = page.get_by_role("link", name=re.compile(r"^trial \d+: ")).all_inner_texts()
    assert f"{gained} examples improved and {lost} got worse, of {len(trials[0]['subscores'])} that both" in text
    assert str(link).endswith(trials_link(re.findall(r"/experiments/(\d+)", address)[0]).removeprefix("#"))
    shown = {cells[0].removesuffix(" ★"): cells for cells in (row.split("\t") for row in rows) if len(cells) == 5}
    assert {int(trial): (cells[1], cells[2], cells[3]) for trial, cells in shown.items() if trial.isdecimal()} == {
        place: (choice(place, trial), f"{trial['score']:.1f} %", str(len(trial["subscores"])))
        for place, trial in enumerate(trials)
    }
    assert {name.rstrip(",") for name in children} == {
        f"trial {place}: {choice(place, trial)}" for place, trial in enumerate(trials)
    }
    assert f"score/best\n{max(trial['score'] for trial in trials):g}" in re.sub(
        r"\s*\n\s*", "\n", text.replace("\t", "\n")
    )


def test_the_report_in_the_viewer(best: Any, address: str) -> None:
    """The artifact that the optimization itself has written: headline, changes, scores by trial."""
    gained, lost = changes(best)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1700, "height": 900})
        page.goto(f"{address}/artifacts/report.html", wait_until="domcontentloaded", timeout=PATIENCE)
        frame = page.frame_locator("iframe[src^='blob:'], iframe[srcdoc]")
        frame.locator("h1").wait_for(timeout=PATIENCE)
        assert frame.locator("h1").inner_text() == headline(best)
        assert f"▲ {gained} ▼ {lost} ∅ " in frame.locator(".figures").inner_text()
        frame.get_by_text("Table of trials").click()
        rows = frame.get_by_role("region", name="Table of trials").locator("tbody tr").all_inner_texts()
    assert [(cells[1], cells[3]) for cells in (row.split("\t") for row in rows)] == [
        (choice(place, trial), f"{trial['score']:.1f} %") for place, trial in enumerate(by_seed(best))
    ]
