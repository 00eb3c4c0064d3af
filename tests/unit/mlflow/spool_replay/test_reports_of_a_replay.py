"""Reports of a replay that take longer than it waits."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient

from otel_dspy.cli import main
from otel_dspy.environment.variable_names import REPORT
from otel_dspy.mlflow.delivery.spool_line import end_line, span_line
from otel_dspy.mlflow.records.route import Destination, Experiment, Options, Route
from otel_dspy.mlflow.tracking.runs import report_writer, run_reports
from tests.support.blank_store import blank_store
from tests.support.mapped_spans import CID, CONTEXT, IDENTITY, span

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("in_time", [True, False])
def test_a_report_that_is_given_up_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, in_time: bool
) -> None:
    """With the command that computes it; everything else is written, so that the file goes and the status is 0."""
    monkeypatch.delenv(REPORT)
    release, done = threading.Event(), threading.Event()

    def write(_request: Any, _ended: object) -> None:
        if in_time:
            time.sleep(0.5)  # a replay that does not wait ends before
        assert release.wait(60)
        done.set()

    monkeypatch.setattr(report_writer, "write", write)
    monkeypatch.setattr(run_reports, "MAX_WAIT", 60.0 if in_time else 0.0)
    if in_time:
        release.set()
    uri = blank_store(tmp_path)
    route = Route(Destination(uri, Experiment(name="E")), CONTEXT, Options(log_traces=False))
    file = tmp_path / "20260101T000000Z-1-1-control-0001.jsonl"
    compiled = span("compile", {**IDENTITY, "dspy.compile.trial.count": 0}, trace_id="1" * 32, span_id="2" * 16)
    file.write_text(f"{span_line(compiled, route)}\n{end_line()}\n")
    try:
        assert main(["replay", str(file)]) == 0
    finally:
        release.set()
    assert done.wait(60)
    assert not file.exists()
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("E")
    assert experiment is not None
    [run] = client.search_runs([experiment.experiment_id])
    assert run.data.tags["dspy.compile.id"] == CID
    run_id = run.info.run_id
    line = (
        f"The report on run {run_id} is not written: it takes longer than the replay waits; "
        f"`otel-dspy report {run_id}` computes it.\n"
    )
    assert capsys.readouterr().out == f"{file}: 1 span written\n" + ("" if in_time else line)
