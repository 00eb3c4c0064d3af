"""The report on spool files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy import cli
from otel_dspy.mlflow.delivery.spool_line import end_line, span_line
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.records.sdk_span import span_record
from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan
from otel_dspy.otlp_requests.span_route import routed
from tests.support.recorded_optimization import recorded_optimization

if TYPE_CHECKING:
    from pathlib import Path

DESTINATION = Destination("http://127.0.0.1:9", Experiment(name="E"))


@pytest.mark.slow  # MLflow creates a database, after an optimization
def test_files_are_read_without_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store that they were meant for does not listen; the page has the winner, no run, and the file stays."""
    monkeypatch.chdir(tmp_path)
    spans = [span for batch in recorded_optimization() for span in batch]
    lines = [
        span_line(*routed(ReceivedSpan(span_record(span), local_root=span.parent is None), DESTINATION))
        for span in spans
    ]
    file = tmp_path / "20260101T000000Z-1-1-control-0001.jsonl"
    file.write_text("\n".join([*lines, end_line(), ""]))
    before = file.read_bytes()
    capsys.readouterr()  # of DSPy
    assert cli.main(["report", file.name]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("MIPROv2 on ")
    page = tmp_path / "report-20260101T000000Z-1-1-control-0001.html"
    assert printed[-1] == f"The page: {page}"
    text = page.read_text(encoding="utf-8")
    assert f"<h1>{printed[0]}</h1>" in text
    assert "download_artifacts" not in text
    assert "Run " not in text
    assert file.read_bytes() == before


def test_files_without_an_optimization(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A message names them and what is wrong with them; a name that is no file is named as well."""
    file = tmp_path / "20260101T000000Z-1-1-control-0001.jsonl"
    file.write_text("not a span\n")
    assert cli.main(["report", str(file)]) == 1
    assert capsys.readouterr().err.endswith(
        f"There is no optimization with a trial in {file}. {file}: 1 damaged line.\n"
    )
    assert cli.main(["report", str(file), "none.jsonl"]) == 1
    assert capsys.readouterr().err == "Name one run, or files that exist; there is no file none.jsonl.\n"
