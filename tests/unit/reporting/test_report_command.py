from __future__ import annotations

import json
import webbrowser
from typing import TYPE_CHECKING

import pytest

from otel_dspy import cli
from otel_dspy.reporting.commands import report_command
from otel_dspy.reporting.report import Report
from tests.unit.reporting.optimizations import optimization, trial

if TYPE_CHECKING:
    from pathlib import Path

FOUND = Report(optimization(trial(0, "0011"), trial(1, "1110"), best=1, labels=("yes", "no") * 2))


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Run each test in an empty folder, with a report that is there; return the addresses that a browser opens."""
    addresses: list[str] = []

    def found(*_args: object, **_kwargs: object) -> Report:
        return FOUND

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report_command, "report", found)
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    return addresses


def test_it_prints_the_verdict_and_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line is the path of the file, whose name has the run's id."""
    assert cli.main(["report"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == FOUND.verdict.headline
    assert lines[-1] == f"The page: {tmp_path}/report-ffffffff.html"
    assert (tmp_path / "report-ffffffff.html").read_text(encoding="utf-8") == FOUND.html


@pytest.mark.parametrize("flag", ["--text", "--json"])
def test_text_and_json_write_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str) -> None:
    """Only what was asked for is printed."""
    assert cli.main(["report", flag]) == 0
    assert capsys.readouterr().out == (FOUND.text if flag == "--text" else f"{FOUND.json}\n")
    assert list(tmp_path.iterdir()) == []


def test_out_and_open(tmp_path: Path, capsys: pytest.CaptureFixture[str], opened: list[str]) -> None:
    """The page goes to the file and to the browser; with `--json` the output stays JSON."""
    assert cli.main(["report", "--json", "--out", "one.html", "--open"]) == 0
    assert json.loads(capsys.readouterr().out)["best_trial"] == 1
    assert opened == [(tmp_path / "one.html").as_uri()]
    assert [path.name for path in tmp_path.iterdir()] == ["one.html"]


def test_a_file_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1 with the reason."""
    assert cli.main(["report", "--out", "none/one.html"]) == 1
    assert "The page could not be written: " in capsys.readouterr().err


def test_no_server(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that does not listen is reported at once, without its password, instead of after MLflow's retries."""
    monkeypatch.undo()
    assert cli.main(["report", "--tracking-uri", "http://me:secret@127.0.0.1:9"]) == 1
    assert capsys.readouterr().err == (
        "MLflow at http://me@127.0.0.1:9 could not be read: connection refused, nothing listens there. "
        "Start MLflow there, or name another store with --tracking-uri.\n"
    )


def test_an_unknown_scheme(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is one short line, without MLflow's list of schemes."""
    monkeypatch.undo()
    assert cli.main(["report", "--tracking-uri", "htp://127.0.0.1:9"]) == 1
    assert capsys.readouterr().err == (
        "MLflow at htp://127.0.0.1:9 could not be read: MLflow has no tracking store for the scheme of this URI. "
        "Start MLflow there, or name another store with --tracking-uri.\n"
    )
