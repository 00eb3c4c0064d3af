"""Screenshots for the README: pages of MLflow on a store, in a real browser.

python -m tools.screenshots mlflow.db docs/images
python -m tools.screenshots --gepa gepa.db docs/images

Take them from new stores: that of `make demo`, and one that `tests.support.gepa_task.optimize()` was recorded in.
"""

from __future__ import annotations

import argparse
import shutil
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import sync_playwright

import otel_dspy
from otel_dspy.mlflow.mapping.runs.saved_view_content import trials_link
from otel_dspy.semconv import DSPY_COMPILE_BEST_TRIAL_INDEX, DSPY_TRIAL_INDEX
from tests.support.mlflow_server import mlflow_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from mlflow.entities import Run
    from playwright.sync_api import Page, ViewportSize

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-sync",
]
SIZE: ViewportSize = {"width": 1700, "height": 800}
REPORT_SIZE: ViewportSize = {"width": 1100, "height": 1750}
PATIENCE = 120_000
"""Milliseconds to wait for a page; MLflow's are slow to start on a loaded machine."""


@contextmanager
def browser_page(size: ViewportSize) -> Generator[Page]:
    """Open a page of this size in Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        yield browser.new_page(viewport=size)
        browser.close()


def _shoot(page: Page, url: str, text: str, path: Path) -> None:
    page.goto(url, wait_until="domcontentloaded", timeout=PATIENCE)
    page.get_by_text(text).first.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(8_000)  # charts and tables fill themselves after the headings
    if (hint := page.get_by_role("button", name="Got it")).count():
        hint.click()
    page.screenshot(path=path)
    _keep(path)


def _newest(store: Path) -> Run:
    client = MlflowClient(f"sqlite:///{store}")
    experiments = [found.experiment_id for found in cast("Any", client).search_experiments()]
    runs = client.search_runs(experiments, "tags.`dspy.optimizer.name` != ''")
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    if not parents:
        raise LookupError(f"no optimization in {store}")
    return max(parents, key=lambda run: run.info.start_time or 0)


def _trial(store: Path, run: Run, number: str) -> str:
    """Return the id of the run of a trial."""
    found = MlflowClient(f"sqlite:///{store}").search_runs(
        [run.info.experiment_id],
        f"tags.`mlflow.parentRunId` = '{run.info.run_id}' AND tags.`{DSPY_TRIAL_INDEX}` = '{number}'",
    )
    return found[0].info.run_id


def _report(store: Path, run: Run) -> str:
    """Write the page of the report beside the store and return its address."""
    with chdir(store.parent):  # the page shows the address of the store, which is the reader's own
        found = otel_dspy.report(run.info.run_id, tracking_uri=f"sqlite:///{store.name}")
        return found.save("report.html").as_uri()


def _keep(path: Path) -> None:
    """Write the picture with 128 colors, which makes its file a third of the size."""
    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path)


def take_gepa(store: Path, folder: Path) -> None:
    """Take the report, and the lineage in it, of the newest optimization in the store, one by GEPA.

    Raises:
        LookupError: the store has no optimization.
    """
    newest = _newest(store)
    folder.mkdir(parents=True, exist_ok=True)
    with browser_page(REPORT_SIZE) as page:
        page.goto(_report(store, newest))
        lineage, whole = folder / "report-lineage.png", folder / "report-gepa.png"
        page.locator("[aria-labelledby=lineage]").screenshot(path=lineage)
        page.screenshot(path=whole, full_page=True)
        _keep(lineage)
        _keep(whole)


def take(store: Path, folder: Path) -> None:
    """Take the pictures of the newest optimization in the store and write them into the folder.

    Raises:
        LookupError: the store has no optimization.
    """
    newest = _newest(store)
    run_id, experiment = newest.info.run_id, newest.info.experiment_id
    folder.mkdir(parents=True, exist_ok=True)
    started = mlflow_server(store.parent, backend=f"sqlite:///{store}", forked=False)
    with started as server, browser_page(SIZE) as page:
        uri = server.uri
        page.goto(f"{uri}/#/experiments/{experiment}/runs", wait_until="domcontentloaded", timeout=PATIENCE)
        page.get_by_text(str(newest.info.run_name)).first.wait_for(timeout=PATIENCE)
        page.get_by_role("button", name="Close").first.click()  # MLflow's assistant, which covers a third of the page
        _shoot(page, f"{uri}/{trials_link(experiment)}", "trial 0", folder / "demo-trials.png")
        base = f"{uri}/#/experiments/{experiment}"
        _shoot(page, f"{base}/runs/{run_id}", "Parameters", folder / "demo-run.png")
        _shoot(page, f"{base}/runs/{run_id}/model-metrics", "best", folder / "demo-metrics.png")
        best, start = (
            _trial(store, newest, number) for number in (newest.data.tags[DSPY_COMPILE_BEST_TRIAL_INDEX], "0")
        )
        _shoot(page, f"{base}/runs/{best}/traces?compareToRunUuid={start}", "compare to", folder / "demo-traces.png")
        page.set_viewport_size(REPORT_SIZE)
        _shoot(page, _report(store, newest), "Which examples flip", folder / "report.png")


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="the sqlite file of an MLflow store")
    parser.add_argument("folder", type=Path, help="output folder")
    parser.add_argument("--gepa", action="store_true", help="take the report of GEPA, and its lineage")
    arguments = parser.parse_args()
    (take_gepa if arguments.gepa else take)(arguments.store.resolve(), arguments.folder)


if __name__ == "__main__":
    main()
