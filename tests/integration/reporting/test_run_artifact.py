"""`report.html` as an artifact of the run, and its refresh while the optimization runs."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow import MlflowClient

import otel_dspy
from otel_dspy.bridge.multi_writer.multi_writer_pipeline import MultiWriterPipeline
from otel_dspy.environment.variable_names import REPORT
from otel_dspy.mlflow import flush
from otel_dspy.mlflow.mapping.naming import DESCRIPTION
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.records.sdk_span import span_record
from otel_dspy.mlflow.tracking.runs import report_writer, run_reports
from otel_dspy.mlflow.tracking.runs.report_writer import PATH
from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan
from otel_dspy.otlp_requests.span_route import routed
from otel_dspy.reporting.runs import read_compile
from tests.chaos.twins import optimize
from tests.support.experiment_in_store import EXPERIMENT, recorded, store
from tests.support.gated_optimization import GatedOptimization
from tests.support.mlflow_tree import read_tree
from tests.support.waiting import PATIENCE, awaited

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.tracking.runs.ended_descriptions import EndedDescriptions
    from otel_dspy.mlflow.tracking.runs.report_writer import ReportRequest
    from otel_dspy.reporting.compile_result import Compile
    from otel_dspy.reporting.report import Report


def bridged(spans: Sequence[ReadableSpan], uri: str) -> None:
    """Write the spans as a bridge does."""
    pipeline = MultiWriterPipeline(threading.Event())
    for span in spans:
        received = ReceivedSpan(span_record(span), local_root=span.parent is None)
        pipeline.process(*routed(received, Destination(uri, Experiment(name=EXPERIMENT))))
    pipeline.send_all()
    pipeline.wait_for_reports(60)


def page_of(report: Report) -> str:
    """The page in the run's artifacts."""
    found = report.compile
    run = MlflowClient(found.tracking_uri).get_run(found.run_id)
    folder = Path(str(run.info.artifact_uri).removeprefix("file://"))
    return (folder / PATH).read_text(encoding="utf-8")


def described(report: Report) -> str:
    """The description that MLflow shows on the run's page."""
    found = report.compile
    return str(MlflowClient(found.tracking_uri).get_run(found.run_id).data.tags[DESCRIPTION])


def test_a_description_of_the_users_own_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It replaces the one that was written while the optimization ran, and is not replaced at the end."""
    monkeypatch.setenv(REPORT, "true")
    monkeypatch.setattr(run_reports, "EVERY", 0.0)
    monkeypatch.setattr(run_reports, "PAUSE", 0.0)
    uri = store(tmp_path)
    optimization = GatedOptimization(2 * PATIENCE)
    with recorded(uri):
        thread = threading.Thread(target=optimization)
        with optimization.released():
            thread.start()
            optimization.let(0)
            _awaited_page(tmp_path)
            running = otel_dspy.report(tracking_uri=uri)
            assert ", so far: 1 trial, best 50.0 %" in described(running).replace("\\", "")
            MlflowClient(uri).set_tag(running.compile.run_id, DESCRIPTION, "Mine.")
            optimization.let(1)
            thread.join()
        assert flush()
    assert described(otel_dspy.report(tracking_uri=uri)) == "Mine."


def test_a_report_that_is_given_up_leaves_a_final_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the run's end, in the place of that of an optimization in progress; the command computes the report."""
    monkeypatch.setenv(REPORT, "true")
    monkeypatch.setattr(run_reports, "EVERY", 0.0)
    write = report_writer.write

    def unless_ended(request: ReportRequest, ended: EndedDescriptions) -> None:
        if request.ended:
            raise TimeoutError
        write(request, ended)

    monkeypatch.setattr(report_writer, "write", unless_ended)
    uri = store(tmp_path)
    optimization = GatedOptimization(2 * PATIENCE)
    with recorded(uri):
        thread = threading.Thread(target=optimization)
        with optimization.released():
            thread.start()
            optimization.let(0)
            _awaited_page(tmp_path)
            optimization.let(1)
            thread.join()
        assert flush()
    report = otel_dspy.report(tracking_uri=uri)
    assert report.compile.status == "FINISHED"
    assert described(report).splitlines() == [
        "**Rounds on Predict finished after 2 trials: best 50.0 %, trial 0**",
        "",
        f"Report: `otel-dspy report {report.compile.run_id}`",
    ]


def test_the_processor_and_a_bridge_write_the_same_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the page that the command makes of the run, and is there after a flush."""
    monkeypatch.setenv(REPORT, "true")
    own, others = store(tmp_path / "own"), store(tmp_path / "bridge")
    with recorded(own) as kept:
        optimize(trials=2)
        assert flush()
    bridged(kept.get_finished_spans(), others)
    written, bridge = otel_dspy.report(tracking_uri=own), otel_dspy.report(tracking_uri=others)
    assert "MIPROv2 on " in page_of(written)
    assert page_of(written) == written.html
    assert page_of(bridge) == bridge.html
    same = page_of(bridge).replace(bridge.compile.run_id, written.compile.run_id).replace(others, own)
    assert same == page_of(written)
    assert described(written) == written.description
    assert described(bridge) == bridge.description


def test_it_is_refreshed_while_the_optimization_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the trials that have ended: the report on the run alone is that of the summary, as far as it goes."""
    monkeypatch.setenv(REPORT, "true")
    monkeypatch.setattr(run_reports, "EVERY", 0.0)
    monkeypatch.setattr(run_reports, "PAUSE", 0.0)
    uri = store(tmp_path)
    optimization = GatedOptimization(2 * PATIENCE)
    with recorded(uri) as kept:
        thread = threading.Thread(target=optimization)
        with optimization.released():
            thread.start()
            optimization.let(0)
            page = _awaited_page(tmp_path)
            assert "Rounds on Predict, so far: 1 trial, best 50.0 %, trial 0" in page.read_text("utf-8")
            running = otel_dspy.report(tracking_uri=uri).compile
            assert [(trial.row.index, trial.scores) for trial in running.trials] == [(0, {"0": 0.0, "1": 1.0})]
            optimization.let(1)
            thread.join()
        assert flush()
    assert ", so far: " not in page.read_text("utf-8")
    whole = otel_dspy.report(tracking_uri=uri).compile
    page.with_name(read_compile.SUMMARY).unlink()
    alone = otel_dspy.report(tracking_uri=uri).compile
    assert _without_times(alone) == _without_times(whole)
    # Those of runs, which start with the first of a trial that is written.
    (optimized,) = read_tree(uri, EXPERIMENT).runs
    began, *found = (_run_start(uri, run_id) for run_id in (optimized.id, *(trial.id for trial in optimized.children)))
    assert [trial.started for trial in alone.trials] == [(start - began) / 1000 for start in found]
    trials = [span_record(span) for span in kept.get_finished_spans() if span.name.startswith("trial ")]
    for start, trial in zip(found, trials, strict=True):
        assert trial.start_ms <= start <= trial.end_ms


def _awaited_page(folder: Path) -> Path:
    """The page below the folder, once it is whole: the file is there before its content."""

    def whole() -> Path | None:
        pages = folder.glob(f"artifacts/*/artifacts/{PATH}")
        return next((page for page in pages if page.read_text("utf-8").rstrip().endswith("</html>")), None)

    return awaited(whole, "the page")


def _without_times(found: Compile) -> Compile:
    trials = (replace(one, started=None, row=replace(one.row, seconds=0.0)) for one in found.trials)
    return replace(found, duration=0.0, phases=(), trials=tuple(trials))


def _run_start(uri: str, run_id: str) -> int:
    return MlflowClient(uri).get_run(run_id).info.start_time or 0
