"""Progress of optimizations under `autolog` in a terminal."""

from __future__ import annotations

import io
import operator
import re
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from inline_snapshot import snapshot
from opentelemetry.sdk.trace import TracerProvider
from typing_extensions import override

import otel_dspy.mlflow
from otel_dspy import BudgetExceeded, DSPyInstrumentor
from otel_dspy.reporting import required_packages
from otel_dspy.reporting.terminal.compile_lines import RunLocation, terminal_progress
from otel_dspy.reporting.terminal.progress_mode import ProgressMode, progress_mode
from tests.support.addition_task import exact, examples
from tests.support.blank_store import store_with_experiment
from tests.support.learning_lm import learning_lm
from tests.support.mlflow_tree import read_tree
from tests.support.optimizers import Rounds
from tests.support.waiting import PATIENCE
from tests.unit.reporting.compile_spans import SpokenCompile

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

EXTRA = "otel-dspy[report]"


class _Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "stream", "mode"),
    [
        ({}, _Terminal(), ProgressMode.RICH),
        ({"TERM": "dumb"}, _Terminal(), ProgressMode.PLAIN),
        ({}, io.StringIO(), ProgressMode.OFF),
        ({}, None, ProgressMode.OFF),
        ({"OTEL_DSPY_PROGRESS": "off"}, _Terminal(), ProgressMode.OFF),
        ({"OTEL_DSPY_PROGRESS": " Plain "}, io.StringIO(), ProgressMode.PLAIN),
        ({"OTEL_DSPY_PROGRESS": "loud"}, io.StringIO(), ProgressMode.OFF),
    ],
)
def test_the_mode(environment: Mapping[str, str], stream: Any, mode: ProgressMode) -> None:
    """The variable decides, else whether there is a terminal; a wrong value is ignored."""
    assert progress_mode(environment, stream) is mode


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        ("", ProgressMode.NOTEBOOK),
        ("notebook", ProgressMode.NOTEBOOK),
        ("loud", ProgressMode.NOTEBOOK),
        ("off", ProgressMode.OFF),
        ("plain", ProgressMode.PLAIN),
    ],
)
def test_the_mode_in_a_notebook(value: str, mode: ProgressMode) -> None:
    """A kernel has a display unless the variable has another value; elsewhere `notebook` is as no value."""
    assert progress_mode({"OTEL_DSPY_PROGRESS": value}, io.StringIO(), kernel=True) is mode
    assert progress_mode({"OTEL_DSPY_PROGRESS": "notebook"}, _Terminal()) is ProgressMode.RICH


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    """An empty store, in which `autolog` may be called; it is disabled at the end."""
    uri = store_with_experiment(tmp_path, "sums")
    yield uri
    otel_dspy.mlflow.autolog(disable=True)


def _search(candidates: int = 1) -> Any:
    optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
        exact, num_candidate_programs=candidates, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=1
    )
    with dspy.context(lm=learning_lm()):
        return optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(6))


def _without_bar(line: str) -> str:
    return re.sub(r"^.*(it/s|s/it)\]", "", line).rstrip()


def _shown(text: str, uri: str) -> str:
    """The lines of otel-dspy, without durations; DSPy's progress bars may stand before them."""
    lines = [_without_bar(line) for line in text.splitlines()]
    kept = [line for line in lines if re.match(r"otel-dspy: (?!\d+ spans? )|\[|\d+ trial| *\*? *\d+  |  trial", line)]
    return re.sub(r"\d+\.\d(?= s|$)", "N", "\n".join(kept), flags=re.MULTILINE).replace(uri, "STORE")


@contextmanager
def _progress(*, color: bool) -> Generator[None]:
    """DSPy is instrumented, and its spans go to the terminal alone."""
    provider = TracerProvider(shutdown_on_exit=False)
    location = RunLocation("MLflow", "http://127.0.0.1:5000", "otel-dspy report")
    provider.add_span_processor(terminal_progress(lambda: location, color=color))
    budget = {"lm_calls": 20, "on_exceeded": "stop"}
    DSPyInstrumentor().instrument(tracer_provider=provider, budget=budget)
    try:
        yield
    finally:
        DSPyInstrumentor().uninstrument()


def test_lines_of_an_optimization(
    store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it is recorded, the forecast, a line for each trial, the table, the result; its totals are the run's."""
    monkeypatch.setenv("OTEL_DSPY_PROGRESS", "plain")
    monkeypatch.setenv("COLUMNS", "100")
    otel_dspy.mlflow.autolog(tracking_uri=store, experiment="sums")
    _search()
    otel_dspy.mlflow.autolog(disable=True)
    shown = _shown(capsys.readouterr().err, store)
    assert shown == snapshot("""\
otel-dspy: BootstrapFewShotWithRandomSearch on Predict is recorded in MLflow at STORE, experiment 'sums'
otel-dspy: look at it, even while it runs: mlflow ui --backend-store-uri STORE
otel-dspy: 26 to 36 language model calls to be expected, without those of the metric
[1/4] trial 0: start, seed -3: 50.0 %, full, N s (best so far)
[2/4] trial 1: seed -2: 66.7 %, full, N s (best so far)
[3/4] trial 2: seed -1: 66.7 %, full, N s
[4/4] trial 3: seed 0: 66.7 %, full, N s
  trial   scope    score   tried            tokens   seconds
      0   full    50.0 %   start, seed -3       90       N
    * 1   full    66.7 %   seed -2              90       N
      2   full    66.7 %   seed -1             105       N
      3   full    66.7 %   seed 0              135       N
4 trials; the whole optimization: 28 calls, 420 tokens, price
otel-dspy: from 50.0 % to 66.7 %, trial 1 won (seed -2); 28 calls, 420 tokens, price unknown, in N s
otel-dspy: is the gain more than chance? otel-dspy report --tracking-uri STORE
otel-dspy: mlflow ui --backend-store-uri STORE\
""")
    (run,) = read_tree(store, "sums").runs
    calls = int(run.metrics["usage/lm_calls"][-1][1])
    assert shown.count(f"{calls} calls, ") == 2


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are written, as by default."""
    monkeypatch.setenv("OTEL_DSPY_REPORT", "true")
    monkeypatch.setenv("OTEL_DSPY_PROGRESS", "plain")


@pytest.mark.usefixtures("reports")
def test_the_verdict(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line is the sentence of the report and of the description: whether the gain is more than chance."""
    otel_dspy.mlflow.autolog(tracking_uri=store, experiment="sums")
    _search()
    assert otel_dspy.mlflow.flush(PATIENCE)
    otel_dspy.mlflow.autolog(disable=True)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("otel-dspy: ")]
    report = otel_dspy.report(tracking_uri=store)
    evidence = report.verdict.evidence
    assert evidence.startswith("Against the start, ")
    assert [line for line in lines if "chance" in line] == [
        f"otel-dspy: BootstrapFewShotWithRandomSearch on Predict: {evidence}"
    ]
    assert evidence in report.description.replace("\\", "")


@pytest.mark.usefixtures("reports")
@pytest.mark.parametrize("missing", ["scipy", "jinja2"])
def test_without_the_extra(
    store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """The line names the package that the test of chance needs, and what installs it."""
    monkeypatch.setattr(required_packages, "is_installed", partial(operator.ne, missing))
    otel_dspy.mlflow.autolog(tracking_uri=store, experiment="sums")
    _search()
    otel_dspy.mlflow.autolog(disable=True)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("otel-dspy: ")]
    assert [line for line in lines if "chance" in line] == [
        f"otel-dspy: is the gain more than chance? Reports need packages that are missing: {missing}. Install {EXTRA}."
    ]


def test_a_report_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the command instead; a verdict that arrives before the end of the compile is written after it."""
    location = RunLocation("MLflow", "http://h", "otel-dspy report", verdict_follows=True)
    provider = TracerProvider(shutdown_on_exit=False)
    shown = terminal_progress(lambda: location, color=False)
    provider.add_span_processor(shown)
    verdicts = ("It is chance.", None)
    for number, verdict in enumerate(verdicts):
        spoken = SpokenCompile(provider.get_tracer("test"), str(number))
        with spoken.running(dspy__compile__best_score=50.0):
            shown.report_written(str(number), verdict)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "chance" in line] == [
        "otel-dspy: MIPROv2 on Classify: It is chance.",
        "otel-dspy: is the gain more than chance? otel-dspy report",
    ]
    assert lines[3].startswith("otel-dspy: http://h")


def test_every_example_failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The first trial that failed throughout has a line with the cause; no such trial is the best, and none has won."""
    monkeypatch.setenv("COLUMNS", "100")

    def broken(*_arguments: object) -> float:
        message = "no labels here.\nand a long explanation"
        raise ValueError(message)

    optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
        broken, num_candidate_programs=1, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=1
    )
    with _progress(color=False), dspy.context(lm=learning_lm()):
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(3))
    written = [_without_bar(line) for line in capsys.readouterr().err.splitlines()]
    lines = [line for line in written if re.match(r"otel-dspy: |\[", line)]
    assert re.sub(r"\d+\.\d s", "N s", "\n".join(lines[3:])) == snapshot("""\
[1/4] trial 0: start, seed -3: 0.0 %, full, N s, every example failed
otel-dspy: every example of trial 0 failed: ValueError: no labels here
[2/4] trial 1: seed -2: 0.0 %, full, N s, every example failed
[3/4] trial 2: seed -1: 0.0 %, full, N s, every example failed
[4/4] trial 3: seed 0: 0.0 %, full, N s, every example failed
otel-dspy: every example failed: ValueError: no labels here; 18 calls, 270 tokens, price unknown, in N s
otel-dspy: http://127.0.0.1:5000\
""")


def test_two_optimizations_in_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its result, also where the second starts before the end of the first is processed; nested ones none."""
    with _progress(color=False):
        for candidates in (1, 2):
            with pytest.raises(BudgetExceeded):
                _search(candidates)
    err = capsys.readouterr().err
    assert err.count(" is recorded in MLflow\n") == 2
    assert len(re.findall(r"stopped at its budget: Boot.*trial \d leads", err)) == 2


def test_colors_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best trial is bold, a bar is removed first; the terminal is what standard error is when a line is written."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with _progress(color=True), pytest.raises(BudgetExceeded):
        _search()
    assert re.search(r"\x1b\[1m[^\n]*\* 1", terminal.getvalue())
    assert "\r\x1b[K[1/4] trial 0" in terminal.getvalue()


@pytest.mark.parametrize(("variable", "silent"), [("", False), ("off", False), ("plain", True)])
def test_nothing_in_logs_and_pipes(
    store: str, variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, silent: bool
) -> None:
    """Nor with `off`, nor with `silent`."""
    monkeypatch.setenv("OTEL_DSPY_PROGRESS", variable)
    flags: Any = {"log_traces": False, "log_traces_from_compile": False, "log_compiles": False, "log_evals": False}
    otel_dspy.mlflow.autolog(**flags, silent=silent, tracking_uri=store, experiment="sums")
    with dspy.context(lm=learning_lm()):
        Rounds(exact).compile(dspy.Predict("question -> answer"), trainset=examples(2))
    otel_dspy.mlflow.autolog(disable=True)
    err = capsys.readouterr().err
    assert not re.search(r"is recorded in|trial \d|trial 1 won", err)
