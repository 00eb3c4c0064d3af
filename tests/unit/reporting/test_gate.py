from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from inline_snapshot import snapshot
from markdown_it import MarkdownIt
from mlflow import MlflowClient

from otel_dspy import cli
from otel_dspy.formatting.markdown import markdown_text
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.gating.checks import Limits, checked, unreadable
from otel_dspy.reporting.gating.json_gate import json_text
from otel_dspy.reporting.gating.junit_xml import junit
from otel_dspy.reporting.gating.markdown_gate import markdown
from otel_dspy.reporting.runs.registered_models import baseline_run
from otel_dspy.reporting.trials.trial_row import ModelUse
from tests.support.blank_store import blank_store
from tests.unit.reporting.test_comparison import run, without_content
from tests.unit.reporting.test_page import MARKUP

if TYPE_CHECKING:
    from pathlib import Path

    from otel_dspy.reporting.compile_result import Compile

HIGH, LOW, SLIGHTLY_LOW = "1111111111", "0000000011", "1111111100"
NO_RESULTS = (
    "run aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa has no results by example of its winner: record the optimization with "
    "capture_content=True, and score its program on a validation set"
)


def unscored(score: float) -> Compile:
    """Make a run whose best score is known, without results by example."""
    return replace(run("..........", "a"), best_score=score)


@pytest.mark.parametrize(
    ("found", "limits", "line"),
    [
        (
            run(HIGH, "a"),
            Limits(),
            "passed: MIPROv2 aaaaaaaa, score 100.0 %, as high as that of MIPROv2 bbbbbbbb, 100.0 %",
        ),
        (
            run(LOW, "a"),
            Limits(),
            (
                "failed: MIPROv2 aaaaaaaa, score 20.0 %, 80.0 points below that of MIPROv2 bbbbbbbb, 100.0 %, more "
                "than the 2 allowed: 0 examples improved and 8 got worse, of 10 (p = 0.0078, exact sign test)"
            ),
        ),
        (
            run(SLIGHTLY_LOW, "a"),
            Limits(),
            (
                "passed: MIPROv2 aaaaaaaa, score 80.0 %, 20.0 points below that of MIPROv2 bbbbbbbb, 100.0 %, more "
                "than the 2 allowed, but that is noise: 0 examples improved and 2 got worse, of 10 (p = 0.5, exact "
                "sign test)"
            ),
        ),
        (
            run(SLIGHTLY_LOW, "a"),
            Limits(strict=True),
            (
                "failed: MIPROv2 aaaaaaaa, score 80.0 %, 20.0 points below that of MIPROv2 bbbbbbbb, 100.0 %, more "
                "than the 2 allowed"
            ),
        ),
        (
            run(SLIGHTLY_LOW, "a"),
            Limits(max_drop=20),
            "passed: MIPROv2 aaaaaaaa, score 80.0 %, 20.0 points below that of MIPROv2 bbbbbbbb, 100.0 %",
        ),
        (
            unscored(99.0),
            Limits(),
            "passed: MIPROv2 aaaaaaaa, score 99.0 %, 1.0 points below that of MIPROv2 bbbbbbbb, 100.0 %",
        ),
        (
            unscored(99.96),
            Limits(),
            "passed: MIPROv2 aaaaaaaa, score 100.0 %, as high as that of MIPROv2 bbbbbbbb, 100.0 %",
        ),
        (
            unscored(90.0),
            Limits(),
            (
                "cannot be judged: MIPROv2 aaaaaaaa, score 90.0 %, 10.0 points below that of MIPROv2 bbbbbbbb, "
                f"100.0 %, more than the 2 allowed, and whether that is noise is not known: {NO_RESULTS}"
            ),
        ),
        (
            run(HIGH, "a", metric="judge"),
            Limits(),
            (
                "cannot be judged: MIPROv2 aaaaaaaa, the scores cannot be compared with MIPROv2 bbbbbbbb: "
                "the metrics differ, exact and judge"
            ),
        ),
        (
            replace(unscored(99.0), validation_digest="d2"),
            Limits(),
            (f"cannot be judged: MIPROv2 aaaaaaaa, the scores cannot be compared with MIPROv2 bbbbbbbb: {NO_RESULTS}"),
        ),
    ],
    ids=["same", "worse", "noise", "strict", "allowed", "close", "rounded", "not-tested", "metric", "other-set"],
)
def test_scores(found: Compile, limits: Limits, line: str) -> None:
    """A drop fails where it is larger than allowed and more than noise; what is not recorded is no pass."""
    result = checked(found, run(HIGH, "b"), limits)
    assert result.line == line
    assert result.exit_status == ["passed", "failed", "cannot be judged"].index(line.partition(":")[0])


def test_a_run_that_is_its_own_baseline() -> None:
    """It passes, and the line names the reason, because such a check never fails."""
    assert checked(run(HIGH, "a"), run(HIGH, "a"), Limits()).line == (
        "passed: MIPROv2 aaaaaaaa, score 100.0 %, compared with itself: the baseline is the same run"
    )


def test_few_examples_cannot_be_tested() -> None:
    """With five examples no result is significant: that is not taken for noise."""
    result = checked(run("00000", "a"), run("11111", "b"), Limits())
    assert result.exit_status == 2
    assert result.line.endswith("allowed, and 5 examples are too few for a test: 6 are needed")
    assert checked(run("000000", "a"), run("111111", "b"), Limits()).exit_status == 1
    slightly_lower = checked(run("011111", "a"), run("111111", "b"), Limits())
    assert slightly_lower.exit_status == 0
    assert "but that is noise: 0 examples improved and 1 got worse, of 6" in slightly_lower.line


def test_another_validation_set_is_named() -> None:
    """The distance is that on the examples in common."""
    base = run("1111111111", "b")
    found = replace(run("11111111", "a", digest="d2"), examples=base.examples[:8])
    assert checked(found, base, Limits()).line == snapshot(
        "passed: MIPROv2 aaaaaaaa, score 100.0 %, as high as that of MIPROv2 bbbbbbbb, 100.0 % (the validation sets differ: 8 examples in common, of 10 and 8; the distance is that on 8 examples)"
    )


@pytest.mark.parametrize(
    ("use", "status", "message"),
    [
        (ModelUse(10, 100, 0.1), 0, "cost $0.1000 of $0.1000"),
        (ModelUse(10, 100, 0.2), 1, "cost $0.2000, more than the $0.1000 allowed"),
        (ModelUse(10, 100, 0.2, 3), 1, "cost $0.2000, more than the $0.1000 allowed"),
        (ModelUse(10, 100, 0.05, 1), 2, "the cost is not known: 1 call without a price"),
        (ModelUse(10, 100, None), 2, "the cost is not known: 10 calls without a price"),
        (ModelUse(observed=False), 2, "the cost is not known: model calls were not observed"),
    ],
)
def test_costs(use: ModelUse, status: int, message: str) -> None:
    """A cost above the limit fails, even if it is only a part; an unknown one is no pass."""
    result = checked(run(HIGH, "a", usage=use), run(HIGH, "b"), Limits(max_cost=0.1))
    assert result.exit_status == status
    assert result.checks[-1].message == message


def test_status_of_the_run() -> None:
    """An optimization that was not completed fails; one in progress cannot be judged, even beside a failed check."""
    base = run(HIGH, "b")
    failed = checked(run(HIGH, "a", status="FAILED", error="ValueError: no"), base, Limits())
    assert (failed.exit_status, failed.checks[0].message) == (1, "the optimization was not completed (ValueError: no)")
    killed = checked(run(HIGH, "a", status="KILLED"), base, Limits())
    assert (killed.exit_status, killed.checks[0].message) == (1, "the optimization was not completed (KILLED)")
    running = checked(run(HIGH, "a", status="RUNNING"), base, Limits())
    assert (running.exit_status, running.checks[0].message) == (2, "MIPROv2 aaaaaaaa is running")
    assert checked(run(LOW, "a", status="RUNNING"), base, Limits()).exit_status == 1


def test_a_run_that_is_its_own_baseline_is_named_once() -> None:
    """As the first run of a program, whose model was registered from it; two runs in progress are named each."""
    one, other = (run(HIGH, name, status="RUNNING") for name in "ab")
    assert [check.message for check in checked(one, one, Limits()).checks if check.name == "status"] == [
        "MIPROv2 aaaaaaaa is running"
    ]
    assert [check.message for check in checked(one, other, Limits()).checks if check.name == "status"] == [
        "MIPROv2 aaaaaaaa is running",
        "MIPROv2 bbbbbbbb is running",
    ]


def test_junit() -> None:
    """A test case for each check; characters that XML does not allow are replaced."""
    result = checked(
        run(LOW, "a", usage=ModelUse(1, 1, None), error="E\x00: <b>", status="FAILED"),
        run(HIGH, "b"),
        Limits(max_cost=1, max_drop=90),
    )
    suites = ET.fromstring(junit(result))  # noqa: S314 - what was written here
    [suite] = suites
    assert suite.attrib == {"name": "otel-dspy gate", "tests": "3", "failures": "1", "errors": "1"}
    assert [(case.get("name"), child.tag, child.get("message")) for case in suite for child in case] == [
        ("status", "failure", "the optimization was not completed (E\ufffd: <b>)"),
        ("score", "system-out", None),
        ("cost", "error", "the cost is not known: 1 call without a price"),
    ]


def test_markdown() -> None:
    """Checks and both runs as tables, in which content has no meaning."""
    found = markdown(checked(run(HIGH, "a", status="FAILED", error=f"E: {MARKUP} | @all"), run(HIGH, "b"), Limits()))
    lines = found.splitlines()
    assert lines[0] == "### otel-dspy gate: failed"
    assert [line for line in lines if line.startswith("| ❌")] == [
        (
            '| ❌ | status | the optimization was not completed (E: &lt;b class="planted"&gt;bold&lt;/b&gt; &amp; '
            '"quoted" &lt;img src=x&gt; \\| \\@all) |'
        )
    ]
    page = MarkdownIt("commonmark").enable("table").render(found)
    assert page.count("<table>") == 2
    assert "<b" not in page.replace("<body", "")
    assert markdown_text("a\nb `c`") == "a b \\`c\\`"


def test_json() -> None:
    """The same as data."""
    found = json.loads(json_text(checked(run(LOW, "a"), run(HIGH, "b"), Limits())))
    assert (found["status"], found["exit_status"], found["checks"][0]["value"]) == ("fail", 1, 80.0)
    assert (found["run"]["best_score"], found["baseline"]["best_score"], found["test"]["lost"]) == (20.0, 100.0, 8)
    assert json.loads(json_text(unreadable("no")))["run"] is None


def test_content_is_not_needed() -> None:
    """Examples with equal digests are paired without it."""
    result = checked(without_content(run(LOW, "a")), without_content(run(HIGH, "b")), Limits())
    assert result.exit_status == 1


@pytest.mark.parametrize("unscored_one", [0, 1])
def test_a_run_without_a_score_cannot_be_judged(unscored_one: int) -> None:
    """A score that is NaN: the examples that have a result are no measure of the others."""
    runs = [run(HIGH, "a"), run(HIGH, "b")]
    found = runs[unscored_one]
    trials = tuple(replace(one, row=replace(one.row, score=None)) for one in found.trials)
    runs[unscored_one] = replace(found, best_score=None, trials=trials)
    result = checked(runs[0], runs[1], Limits(strict=True))
    assert (result.exit_status, [check.message for check in result.checks]) == (
        2,
        [f"MIPROv2 {'ab'[unscored_one] * 8} has no score: it is not a finite number, or not recorded"],
    )


@pytest.mark.parametrize(("results", "status"), [(HIGH, 2), (LOW, 1)])
def test_a_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: str, status: int
) -> None:
    """No run passes unnoticed, a failed one stays failed, and the other file is written."""
    runs = {"a" * 32: run(results, "a"), "b" * 32: run(HIGH, "b")}

    def read(_uri: str, run_id: str, **_options: object) -> Compile:
        return runs[run_id]

    monkeypatch.setattr("otel_dspy.reporting.runs.read_compile.read_compile", read)
    summary = tmp_path / "summary.md"
    files = ["--junit", str(tmp_path / "none" / "gate.xml"), "--markdown", str(summary)]
    uri = blank_store(tmp_path)
    assert cli.main(["gate", "a" * 32, "--baseline", "b" * 32, "--tracking-uri", uri, *files]) == status
    assert "MIPROv2 aaaaaaaa" in summary.read_text(encoding="utf-8")


def test_runs_of_registered_models(tmp_path: Path) -> None:
    """By alias, by version and the newest; each name that leads nowhere has its message."""
    uri = blank_store(tmp_path)
    client = MlflowClient(uri)
    client.create_registered_model("sums")
    for run_id in ("1" * 32, "2" * 32):
        client.create_model_version("sums", str(tmp_path), run_id)
    client.create_model_version("sums", str(tmp_path))
    client.set_registered_model_alias("sums", "champion", "1")
    assert baseline_run(uri, "models:/sums@champion") == "1" * 32
    assert baseline_run(uri, "model:/sums@champion") == "1" * 32
    assert baseline_run(uri, "models:/sums/2") == "2" * 32
    assert baseline_run(uri, "f" * 32) == "f" * 32
    for baseline, message in (
        ("models:/sums/latest", "Version 3 of the model 'sums' has no run"),
        ("models:/sums/9", "There is no model 'models:/sums/9' in sqlite"),
        ("models:/sums@none", "There is no model 'models:/sums@none' in sqlite"),
        ("models:/sums@none", "otel-dspy register RUN --name sums --alias none registers one"),
        ("models:/none/latest", "otel-dspy register RUN --name none registers one"),
        ("models:/sums", "names no model"),
    ):
        with pytest.raises(ReportError, match=message):
            baseline_run(uri, baseline)


def test_what_cannot_be_read_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files for CI are written nevertheless, with the reason."""
    uri, report = blank_store(tmp_path), tmp_path / "gate.xml"
    given = ["gate", "latest", "--baseline", "latest", "--tracking-uri", uri, "--junit", str(report)]
    assert cli.main(given) == 2
    line = capsys.readouterr().out.strip()
    assert line.startswith("cannot be judged: There is no optimization recorded by otel-dspy in sqlite")
    assert 'errors="1"' in report.read_text(encoding="utf-8")
    assert cli.main([*given[:-1], str(tmp_path / "none" / "gate.xml")]) == 2
    assert "The result could not be written" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        cli.main(["gate", "latest", "--baseline", "latest", "--max-drop", "-1"])
    assert ended.value.code == 2
