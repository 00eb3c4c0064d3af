from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient

from otel_dspy.reporting.compare import Comparison
from otel_dspy.reporting.compile_result import CallUse, Candidates, Phase, Predictor
from otel_dspy.reporting.report import Report
from otel_dspy.reporting.trials.trial_row import ModelUse
from tests.support.browser import NEEDS_CHROMIUM, chromium
from tests.unit.reporting.optimizations import LABELS, optimization, trial

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SECTIONS = [
    "Score by trial", "Which examples flip", "Why this one won", "What the choices did", "Lineage",
    "What changed in the prompt", "Where the winner's words come from", "What it cost", "Hard cases", "When it ran",
    "Setup and how to load the winner",
]  # fmt: skip

pytestmark = [
    pytest.mark.slow,  # a browser starts
    NEEDS_CHROMIUM,
]


def everything() -> Report:
    """A report with every section."""
    choice = {"0_predictor_instruction": 1, "0_predictor_demos": 0}
    start, changed = Predictor("classify", "Answer."), Predictor("classify", "Think, then answer.")
    return Report(
        optimization(
            trial(0, "0000110011", parameters={"candidate": 0}, program=(start,), program_id="a", started=5.0,
                  task=CallUse(10, 0, 1000, 100, 0.01)),
            trial(1, "111x......", parameters={"parents": [0]}, state="rejected", reason="not better", started=20.0),
            trial(2, "1111110011", parameters={**choice, "candidate": 1, "parents": [0], "components": ["classify"]},
                  answers=LABELS, program=(changed,), program_id="b", parent_ids=("a",), started=40.0,
                  task=CallUse(10, 2, 2000, 100, 0.02)),
            best=2,
            initial_program=(start,),
            best_program=(Predictor("classify", changed.instructions, ({"question": "q", "answer": "yes"},)),),
            candidates=Candidates({"0": ("Answer.", "Think, then answer.")}, {"0": (0,)}),
            phases=(Phase("propose", 0.0, 4.0),),
            parameters={"seed": 7},
            versions={"dspy": "3.4.1"},
            usage_by_role={"task": ModelUse(20, 2000, 0.02), "prompt": ModelUse(10, 1300, 0.01)},
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Generator[Any]:
    """Chromium."""
    with chromium() as found:
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_renders_without_network_and_scripts(browser: Any, tmp_path: Path, scheme: str, width: int) -> None:
    """A browser that is offline requests the file alone and logs nothing; the page is no wider than the window."""
    report = everything()
    requests: list[str] = []
    messages: list[str] = []

    def requested(request: Any) -> None:
        requests.append(request.url)

    def logged(message: Any) -> None:
        messages.append(message.text)

    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    context.set_offline(offline=True)
    page = context.new_page()
    page.on("request", requested)
    page.on("console", logged)
    url = report.save(tmp_path / "report.html").as_uri()
    page.goto(url)
    assert (requests, messages) == ([url], [])
    assert page.locator("h1").inner_text() == report.verdict.headline
    assert page.locator("h2").all_inner_texts() == SECTIONS
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 28)"
    assert dark is (scheme == "dark")
    context.close()


def test_no_word_is_wider_than_a_phone(browser: Any, tmp_path: Path) -> None:
    """With every part unfolded; neither an error's long words, nor how to load the program, nor a parameter."""
    word = "x" * 80
    report = everything()
    stopped = replace(
        report.compile, status="KILLED", error=f"SystemExit: {word}", parameters={word: word}, program=word, metric=word
    )
    context = browser.new_context(viewport={"width": 390, "height": 900})
    page = context.new_page()
    other = replace(stopped, run_id="a" * 32, optimizer=word, parameters={word: 1})
    for found in (Comparison((stopped, other)), Report(replace(stopped, status="FAILED")), Report(stopped)):
        page.goto(found.save(tmp_path / "report.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in ("trial", "examples", "tokens", "time"):
        button, label = page.locator(f"#axis-{name}").bounding_box(), page.locator(f"[for=axis-{name}]").bounding_box()
        assert abs(button["y"] - label["y"]) < label["height"]
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(browser: Any, tmp_path: Path, scheme: str) -> None:
    """With every part unfolded; axe-core's rules of all levels."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(everything().save(tmp_path / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = axe.Axe().run(page).response["violations"]
    assert [(one["impact"], one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    context.close()


def test_the_keyboard_reaches_what_scrolls_unfolds_and_chooses(browser: Any, tmp_path: Path) -> None:
    """An arrow key changes the axis of the chart, Enter unfolds a table; all that scrolls has the focus once."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(everything().save(tmp_path / "report.html").as_uri())
    charts = page.locator("[aria-label^='Chart of scores by']")
    assert charts.count() == 4
    page.locator("#axis-trial").focus()
    page.keyboard.press("ArrowRight")
    assert [charts.nth(place).is_visible() for place in range(4)] == [False, True, False, False]
    table = page.get_by_role("region", name="Table of trials")
    assert not table.is_visible()
    page.get_by_text("Table of trials").focus()
    page.keyboard.press("Enter")
    assert table.is_visible()
    assert page.locator("[role=region]:not([tabindex='0'])").count() == 0
    context.close()


def test_print(browser: Any, tmp_path: Path) -> None:
    """Black on white from a dark window, with the colors of light, without navigation, as wide as the paper."""
    context = browser.new_context(color_scheme="dark", viewport={"width": 700, "height": 900})
    page = context.new_page()
    page.goto(everything().save(tmp_path / "report.html").as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    warning = page.locator("[aria-label=Warnings] li").first
    assert warning.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 244, 214)"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert not page.locator("nav").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    context.close()


def test_inside_mlflows_viewer(browser: Any, tmp_path: Path, server_uri: str) -> None:
    """The page of the artifact shows the report in its sandboxed frame, where the axis can be chosen; no message of it."""
    report = everything()
    client = MlflowClient(server_uri)
    experiment = client.create_experiment("report in the viewer")
    run_id = client.create_run(experiment).info.run_id
    client.log_artifact(run_id, str(report.save(tmp_path / "report.html")))
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    messages: list[str] = []

    def logged(message: Any) -> None:
        if message.location["url"].startswith("blob:"):
            messages.append(message.text)

    page.on("console", logged)
    page.goto(f"{server_uri}/#/experiments/{experiment}/runs/{run_id}/artifacts/report.html")
    frame = page.frame_locator("iframe[src^='blob:'], iframe[srcdoc]")
    frame.locator("h1").wait_for(timeout=60_000)
    assert frame.locator("h1").inner_text() == report.verdict.headline
    assert frame.locator("h2").all_inner_texts() == SECTIONS
    frame.get_by_label("examples scored", exact=True).check()
    assert frame.locator(".by-examples").is_visible()
    assert messages == []
    page.close()
