"""The progress of an optimization in a notebook."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy.reporting.notebook import notebook_progress
from otel_dspy.reporting.notebook.kernel import running_shell
from otel_dspy.reporting.notebook.notebook_progress import CompileDisplay
from otel_dspy.reporting.notebook.progress_table import progress_html, progress_text
from otel_dspy.reporting.terminal.compile_lines import RunLocation, result_text
from otel_dspy.reporting.terminal.compile_observers import CompileObservers
from otel_dspy.reporting.terminal.compile_progress import CompileResult, CompileView
from otel_dspy.reporting.trials.trial_row import ModelUse
from tests.unit.reporting.optimizations import trial

LOCATION = RunLocation("MLflow at http://h, experiment 'e'", "http://h/#/experiments/1", "otel-dspy report")
VIEW = CompileView("c", "MIPROv2", "Classify", planned=9)
ROWS = (trial(0, "0011").row, replace(trial(1, "0111", label="<b>&").row, is_best=True))
RESULT = CompileResult(50.0, 75.0, "percent", ModelUse(8, 80, 0.5), 12.0)


class _Handle:
    def __init__(self, shown: list[dict[str, str]]) -> None:
        self.shown = shown

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What IPython is given to show; the first begins a display."""
    found: list[dict[str, str]] = []

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> _Handle:
        assert (raw, display_id, found) == (True, True, [])
        found.append(data)
        return _Handle(found)

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=sys.modules["IPython.display"]))
    return found


def test_states() -> None:
    """What runs, what is planned, the best so far, and at the end the result."""
    texts = [
        progress_text(view, LOCATION).splitlines()[0]
        for view in (
            VIEW,
            replace(VIEW, expected_calls=(26, None)),
            replace(VIEW, phase="bootstrap"),
            replace(VIEW, running=2, examples=1, trials=ROWS),
            replace(VIEW, ended=True, trials=ROWS, result=RESULT),
            replace(VIEW, ended=True, trials=ROWS, result=replace(RESULT, error="KeyboardInterrupt")),
        )
    ]
    assert texts == [
        "MIPROv2 on Classify: started",
        "MIPROv2 on Classify: at least 26 language model calls to be expected, without those of the metric",
        "MIPROv2 on Classify: phase bootstrap",
        "MIPROv2 on Classify: 2 of 9 trials, trial 2 is running, 1 example, best 75.0 %",
        "MIPROv2 on Classify: from 50.0 % to 75.0 %, trial 1 won (<b>&); 8 calls, 80 tokens, $0.5000, in 12.0 s",
        (
            "MIPROv2 on Classify: stopped by the user; from 50.0 % to 75.0 %, trial 1 leads (<b>&); 8 calls, 80 tokens, "
            "$0.5000, in 12.0 s"
        ),
    ]


@pytest.mark.parametrize(
    ("initial", "best", "text"),
    [
        (math.nan, 75.0, "score 75.0 %, trial 1 won (<b>&)"),
        (math.inf, 75.0, "score 75.0 %, trial 1 won (<b>&)"),
        (50.0, math.nan, "trial 1 won (<b>&), whose score is not a finite number"),
        (math.nan, math.inf, "trial 1 won (<b>&), whose score is not a finite number"),
        (None, 75.0, "score 75.0 %, trial 1 won (<b>&)"),
    ],
)
def test_a_result_without_a_finite_score(initial: float | None, best: float, text: str) -> None:
    """There is no gain from or to NaN, as in the report."""
    result = replace(RESULT, initial_score=initial, best_score=best)
    view = replace(VIEW, ended=True, trials=ROWS, result=result)
    assert result_text(view, result) == f"{text}; 8 calls, 80 tokens, $0.5000, in 12.0 s"


def test_html() -> None:
    """Texts are escaped, colors are the notebook's; the best trial is bold and has a star; only http is a link."""
    page = progress_html(replace(VIEW, ended=True, trials=ROWS, result=RESULT), LOCATION)
    assert "<b>" not in page
    assert page.count("&lt;b&gt;&amp;") == 2
    assert '<tr style="font-weight:bold"><td style="text-align:right">1 ★</td>' in page
    assert '<a href="http://h/#/experiments/1" target="_blank" rel="noopener">' in page
    assert "color:inherit" in page
    assert not {"#fff", "#000", "background"} & set(page.split('"'))
    local = progress_html(VIEW, replace(LOCATION, open_with="mlflow ui --backend-store-uri 'x'"))
    assert "<code>mlflow ui --backend-store-uri &#x27;x&#x27;</code>" in local
    assert "<table" not in local


def test_a_long_table_is_short() -> None:
    """The foremost ten trials, and how many are not shown."""
    rows = tuple(trial(index, "0011").row for index in range(12))
    page = progress_html(replace(VIEW, trials=rows), LOCATION)
    assert page.count("<tr>") == 11
    assert "2 trials not shown" in page


def test_one_display(shown: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every trial is shown at once, examples at intervals; a state that arrives late is not shown after a later one."""
    monkeypatch.setattr(notebook_progress, "INTERVAL", 3600.0)
    display = CompileDisplay(LOCATION)
    running = replace(VIEW, running=1, trials=ROWS[:1])
    ended = replace(VIEW, ended=True, trials=ROWS, result=RESULT)
    for view in (VIEW, replace(running, examples=1), replace(running, examples=2), VIEW, ended, running, ended):
        display(view)
    assert [data["text/plain"].splitlines()[0].partition(": ")[2][:7] for data in shown] == [
        "started",
        "1 of 9 ",
        "from 50",
    ]
    assert all(set(data) == {"text/plain", "text/html"} for data in shown)


def test_the_verdict_takes_the_place_of_the_question(shown: list[dict[str, str]]) -> None:
    """Once the report is written; a report that could not be written leaves the command."""
    ended = replace(VIEW, ended=True, trials=ROWS, result=RESULT)
    display = CompileDisplay(LOCATION)
    display(ended)
    display.verdict(None)
    display.verdict("Against the start, <1> example improved.")
    display.verdict(None)
    first, second = shown
    assert "<code>otel-dspy report</code>" in first["text/html"]
    assert "Is the gain" not in second["text/html"]
    assert "<p>Against the start, &lt;1&gt; example improved.</p>" in second["text/html"]
    assert "Against the start, <1> example improved." in second["text/plain"].splitlines()


def test_no_verdict_on_no_score(shown: list[dict[str, str]]) -> None:
    """Where no trial was scored, or every example failed, there is no gain to judge."""
    for result in (replace(RESULT, best_score=None), replace(RESULT, failure="ValueError: no labels")):
        shown.clear()
        display = CompileDisplay(LOCATION)
        display(replace(VIEW, ended=True, result=result))
        display.verdict("The optimizer scored no candidates.")
        assert "chance" not in shown[-1]["text/html"]
        assert "no candidates" not in shown[-1]["text/html"]


@pytest.mark.parametrize(
    ("module", "kernel"),
    [
        (None, False),
        (SimpleNamespace(get_ipython=lambda: None), False),
        (SimpleNamespace(get_ipython=SimpleNamespace), False),
        (SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel="a kernel")), True),
    ],
)
def test_a_running_kernel(module: Any, monkeypatch: pytest.MonkeyPatch, *, kernel: bool) -> None:
    """IPython is asked only if the process has imported it; its terminal has no kernel."""
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    if module is not None:
        monkeypatch.setitem(sys.modules, "IPython", module)
    assert (running_shell() is not None) is kernel
    assert ("IPython" in sys.modules) is (module is not None)


def test_a_failing_display_does_not_reach_the_program(caplog: pytest.LogCaptureFixture) -> None:
    """Each span starts and ends as without it; the failure is logged."""
    calls: list[CompileView] = []

    class Failing:
        def __call__(self, view: CompileView) -> None:
            calls.append(view)
            raise ConnectionError

        def verdict(self, text: str | None) -> None:
            raise ConnectionError(text)

    provider = TracerProvider()
    provider.add_span_processor(CompileObservers(Failing))
    attributes = {
        "dspy.operation.name": "compile",
        "dspy.compile.id": "c",
        "dspy.optimizer.name": "MIPROv2",
        "dspy.program.name": "Classify",
    }
    with provider.get_tracer("t").start_as_current_span("compile", attributes=attributes):
        pass
    assert [view.ended for view in calls] == [False, True]
    assert "the progress of an optimization" in caplog.text
