from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.reporting.model.compile_result import Predictor
from otel_dspy.reporting.report import Report
from tests.unit.reporting.optimizations import LABELS, optimization, trial

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which("chromium")


@pytest.mark.slow  # a browser starts
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_renders_without_network_and_scripts(tmp_path: Path, scheme: str, width: int) -> None:
    """A browser that is offline requests the file alone and logs nothing; the page is no wider than the window."""
    sync_api = pytest.importorskip("playwright.sync_api")
    choice = {"0_predictor_instruction": 1, "0_predictor_demos": 0}
    report = Report(
        optimization(
            trial(0, "0000110011"),
            trial(1, "111x......"),
            trial(2, "1111110011", parameters=choice, answers=LABELS),
            best=2,
            initial_program=(Predictor("classify", "Answer."),),
            best_program=(Predictor("classify", "Think, then answer."),),
        )
    )
    requests: list[str] = []
    messages: list[str] = []

    def requested(request: Any) -> None:
        requests.append(request.url)

    def logged(message: Any) -> None:
        messages.append(message.text)

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        context.set_offline(offline=True)
        page = context.new_page()
        page.on("request", requested)
        page.on("console", logged)
        url = report.save(tmp_path / "report.html").as_uri()
        page.goto(url)
        assert (requests, messages) == ([url], [])
        assert page.locator("h1").inner_text() == report.verdict.headline
        assert page.locator("h2").all_inner_texts() == [
            "Score by trial", "Which examples flip", "Why this one won", "What the choices did",
            "What changed in the prompt", "What it cost", "Hard cases", "Setup and how to load the winner",
        ]  # fmt: skip
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 28)"
        assert dark is (scheme == "dark")
        browser.close()
