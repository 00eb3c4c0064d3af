"""`otel-dspy report FOLDER`: which files are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_dspy import cli
from otel_dspy.reporting.commands import report_command
from otel_dspy.reporting.report import Report
from tests.unit.reporting.optimizations import optimization, trial

FOUND = Report(optimization(trial(0, "0011"), trial(1, "1110"), best=1, labels=("yes", "no") * 2))


@pytest.fixture(autouse=True)
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[Path]]:
    """Run each test in a folder with a report that is there; return the files that reports were made of."""
    files: list[list[Path]] = []

    def on_files(paths: list[Path]) -> Report:
        files.append(paths)
        return FOUND

    def on_run(*_args: object, **_kwargs: object) -> Report:
        return FOUND

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report_command, "report_on_files", on_files)
    monkeypatch.setattr(report_command, "report", on_run)
    return files


def test_the_files_of_a_folder_are_read(read: list[list[Path]]) -> None:
    """By name, with those that are named beside it; what has another ending is left out."""
    folder = Path("traces")
    folder.mkdir()
    for name in ("traces.json", "traces-2026.json.gz", "x-control-0001.jsonl", "notes.txt"):
        (folder / name).touch()
    Path("more.json").touch()
    assert cli.main(["report", "traces", "more.json", "--text"]) == 0
    expected = [*(folder / name for name in ("traces-2026.json.gz", "traces.json", "x-control-0001.jsonl"))]
    assert read == [[*expected, Path("more.json")]]


def test_a_folder_without_such_files(capsys: pytest.CaptureFixture[str]) -> None:
    """The message has their endings."""
    Path("traces").mkdir()
    assert cli.main(["report", "traces"]) == 1
    assert capsys.readouterr().err == (
        "There is no file of OTLP JSON (.json, .json.gz, .json.zst, .jsonl, .jsonl.gz, .jsonl.zst) in traces.\n"
    )


@pytest.mark.parametrize("arguments", [["latest"], []])
def test_latest_is_no_file(arguments: list[str], read: list[list[Path]]) -> None:
    """Whatever the current folder has."""
    Path("latest").touch()
    assert cli.main(["report", *arguments, "--text"]) == 0
    assert read == []
