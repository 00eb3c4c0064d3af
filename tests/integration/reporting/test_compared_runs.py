"""Comparison of optimizations that were recorded by the span processor; the bridge and the server app write the same runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import otel_dspy
from otel_dspy import cli
from otel_dspy.reporting.errors import ReportError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.compared_optimizations import Recorded


def test_a_better_winner(runs: Recorded) -> None:
    """Scores, flips, test, instructions and parameters are those of the two optimizations; the sets are the same."""
    found = otel_dspy.compare(runs.half, runs.whole, tracking_uri=runs.tracking_uri)
    [pair] = found.data.pairs
    optimizer = "BootstrapFewShotWithRandomSearch"
    assert found.verdict == (
        f"{optimizer} {runs.whole[:8]} is better than {optimizer} {runs.half[:8]} by 50.0 points: "
        "6 examples improved and 0 got worse, of 12 (p = 0.031, exact sign test)."
    )
    assert (pair.examples.pairing.method, pair.examples.pairing.difference) == ("digest", None)
    assert [(flip.text, flip.label, flip.first, flip.second) for flip in pair.examples.gained] == [
        (f"{number}+1", str(number + 1), "wrong", str(number + 1)) for number in range(0, 12, 2)
    ]
    assert [(run.best_score, run.initial_score) for run in found.data.runs] == [(50.0, 50.0), (100.0, 100.0)]
    assert found.data.parameters == ()
    [diff] = pair.prompt
    assert [(piece.kind, piece.text) for piece in diff.pieces] == [
        ("same", "Add"), ("added", " the numbers"), ("same", "."),
    ]  # fmt: skip
    assert found.data.warnings == ()


def test_different_validation_sets_are_named(runs: Recorded) -> None:
    """Only the examples in common are paired, and a warning names the difference."""
    found = otel_dspy.compare(runs.half, runs.other, tracking_uri=runs.tracking_uri)
    [pair] = found.data.pairs
    assert pair.examples.test is not None
    assert (pair.examples.pairing.method, pair.examples.test.n) == ("content", 2)
    assert "the validation sets differ: 2 examples in common, of 12 and 4." in found.data.warnings[0]
    assert pair.outcome == "noise"


def test_the_command(runs: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text, JSON and the page; a run that does not exist is exit status 1 with the reason."""
    given = ["compare", runs.half, runs.whole, "--tracking-uri", runs.tracking_uri]
    page = tmp_path / "page.html"
    assert cli.main([*given, "--out", str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "is better than" in lines[0]
    assert lines[-1] == f"The page: {page}"
    assert f"<h1>{lines[0]}</h1>" in page.read_text(encoding="utf-8")
    assert cli.main([*given, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["pairs"][0]["outcome"], data["pairs"][0]["examples"]["test"]["gained"]) == ("better", 6)
    assert cli.main(["compare", runs.half, "none", "--tracking-uri", runs.tracking_uri]) == 1
    assert "There is no run 'none'" in capsys.readouterr().err


def test_one_run_is_no_comparison() -> None:
    """The error states what is needed."""
    with pytest.raises(ReportError, match="two runs or more"):
        otel_dspy.compare("latest")


def test_the_gate(runs: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A better run passes and a worse one fails, by exit status, in one line and in the files for CI."""
    files = tmp_path / "gate.xml", tmp_path / "gate.md"
    given = ["--tracking-uri", runs.tracking_uri, "--junit", str(files[0]), "--markdown", str(files[1])]
    assert cli.main(["gate", runs.whole, "--baseline", runs.half, *given]) == 0
    assert "50.0 points above that of" in capsys.readouterr().out
    assert cli.main(["gate", runs.half, "--baseline", runs.whole, *given]) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("failed: ")
    assert line.endswith("0 examples improved and 6 got worse, of 12 (p = 0.031, exact sign test)")
    assert 'failures="1"' in files[0].read_text(encoding="utf-8")
    assert files[1].read_text(encoding="utf-8").startswith("### otel-dspy gate: failed")
    assert cli.main(["gate", runs.half, "--baseline", runs.half, "--max-cost", "1", *given]) == 2
    assert "12 calls without a price" in capsys.readouterr().out


def test_a_report_against_another_run(runs: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command's text, JSON and page have the report on the first run and its comparison with the other one."""
    command = ["report", runs.whole, "--against", runs.half, "--tracking-uri", runs.tracking_uri]
    verdict = otel_dspy.compare(runs.half, runs.whole, tracking_uri=runs.tracking_uri).verdict
    file = tmp_path / "report.html"
    assert cli.main([*command, "--out", str(file)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-3:] == [verdict, "", f"The page: {file}"]
    page = file.read_text(encoding="utf-8")
    report = otel_dspy.report(runs.whole, tracking_uri=runs.tracking_uri)
    assert f"<h1>{report.verdict.headline}</h1>" in page
    assert f"<p>{verdict}</p>" in page
    assert page.count("<h1>") == page.count('id="scores"') == page.count('id="against"') == page.count('id="runs"') == 1
    assert cli.main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["run_id"], found["against"]["pairs"][0]["verdict"]) == (runs.whole, verdict)
    assert cli.main([*command, "--text"]) == 0
    assert verdict in capsys.readouterr().out
