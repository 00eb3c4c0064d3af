"""Ends before starts: the clock was set back, by NTP or a person, while an optimization ran."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag
from opentelemetry.sdk.trace import ReadableSpan

from otel_dspy.forecasting.past_run import past_rates
from otel_dspy.mlflow.mapping.artifacts.summary import summary_json
from otel_dspy.mlflow.mapping.compile_aggregator import EndedCompile
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.span_records import CompileRecord, TrialRecord
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.reporting.report import Report
from otel_dspy.reporting.runs.unfinished_summary import summary_of_runs
from otel_dspy.reporting.trials.trial_row import trial_row
from tests.support.blank_store import blank_store
from tests.support.mapped_spans import CID, IDENTITY, span
from tests.unit.reporting.optimizations import optimization, trial

if TYPE_CHECKING:
    from pathlib import Path

TRIAL = {"dspy.compile.id": CID, "dspy.trial.index": 0, "dspy.trial.kind": "candidate", "dspy.trial.state": "complete"}


def test_a_runs_end_is_not_before_its_start(tmp_path: Path) -> None:
    """It is the start then, whatever ends the run; another end stays as it is."""
    uri = blank_store(tmp_path)
    store, client = Store(uri), MlflowClient(uri)
    experiment = store.experiment_id("mine")
    for status, end_ms, expected in (("FINISHED", 2_000, 5_000), ("KILLED", 0, 5_000), ("FINISHED", 5_001, 5_001)):
        run_id = store.create_run(experiment, "a run", 5_000, {}).run_id
        store.end_run(run_id, status, end_ms, "another name")  # type: ignore[arg-type] - a literal of the table
        info = client.get_run(run_id).info
        assert (info.start_time, info.end_time, info.status, info.run_name) == (
            5_000,
            expected,
            status,
            "another name",
        )


def test_times_of_the_summary_are_unknown() -> None:
    """They are null, as the start of a trial before that of the optimization is."""
    done = decode.record_of(span("compile", IDENTITY, start_ns=5_000_000_000, end_ns=1_000_000_000))
    early = decode.record_of(span("trial", TRIAL, start_ns=2_000_000_000, end_ns=1_000_000_000))
    assert isinstance(done, CompileRecord)
    assert isinstance(early, TrialRecord)
    found = json.loads(summary_json(EndedCompile(done, (early,))))
    assert found["duration"] is None
    assert [(one["started"], one["duration"]) for one in found["trials"]] == [(None, None)]


def test_a_row_of_the_terminal_has_no_negative_time() -> None:
    """Its span stays as it is."""
    ended = ReadableSpan("trial", attributes=TRIAL, start_time=5_000_000_000, end_time=1_000_000_000)
    assert trial_row(ended).seconds == 0


def test_a_run_in_progress_has_no_negative_time() -> None:
    """As `watch` reads it, on a host whose clock is behind, too."""
    tomorrow = (int(time.time()) + 86_400) * 1000
    data = RunData(list[Metric](), list[Param](), list[RunTag]())
    run = Run(RunInfo("run", "0", "user", "RUNNING", tomorrow, None, "active"), data)
    ended = Run(RunInfo("trial", "0", "user", "FINISHED", 5_000, 1_000, "active"), data)
    found = summary_of_runs(run, {0: ended})
    assert found["duration"] == 0
    assert [(one["started"], one["duration"]) for one in found["trials"]] == [(None, 0)]


@pytest.mark.parametrize("duration", [0.0, -3593.2])
def test_the_report_has_no_time(duration: float) -> None:
    """The page is drawn all the same."""
    report = Report(replace(optimization(trial(0, "01"), best=0), duration=duration))
    assert report.verdict.cost.startswith("1 trial in an unknown time: ")
    assert "an unknown time" in report.text
    assert "-3593" not in report.html


def test_a_forecast_has_no_time(tmp_path: Path) -> None:
    """It has the tokens of the past run alone."""
    uri = blank_store(tmp_path)
    client = MlflowClient(uri)
    experiment = client.create_experiment("sums", artifact_location=(tmp_path / "artifacts").as_uri())
    run_id = client.create_run(experiment, tags={"dspy.optimizer.name": "COPRO"}).info.run_id
    usage = {"by_role": {"task": {"lm_calls": 2, "input_tokens": 6, "output_tokens": 2}}}
    client.log_dict(run_id, {"optimizer": "COPRO", "duration": None, "usage": usage}, "optimization_summary.json")
    found = past_rates(run_id, "Sums", uri, None)
    assert (found.seconds, found.roles["task"].tokens) == (None, 4)
    assert found.notes == ("There is no time: that of the run is unknown, as the clock was set back while it ran.",)
