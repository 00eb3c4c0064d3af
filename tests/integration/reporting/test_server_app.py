"""`report.html` as written by the app of MLflow's server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from opentelemetry.sdk.trace.export import SpanExportResult

import otel_dspy
from otel_dspy.environment.variable_names import REPORT
from otel_dspy.mlflow.tracking.runs.report_writer import PATH
from tests.support.mlflow_server import WITH_APP, mlflow_server
from tests.support.mlflow_server_app_exporters import app_exporter
from tests.support.recorded_optimization import recorded_optimization
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow  # a server starts; the pipeline that it shares with the bridge has a quick test
def test_the_app_of_mlflows_server_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a client, without the address of the server's database."""
    monkeypatch.setenv(REPORT, "true")
    batches = recorded_optimization()
    with mlflow_server(tmp_path / "server", options=(*WITH_APP, "--workers", "2")) as server:
        client = MlflowClient(server.uri)
        exporter = app_exporter(server, client.create_experiment("reported"))
        assert {exporter.export(batch) for batch in batches} == {SpanExportResult.SUCCESS}
        report = otel_dspy.report(tracking_uri=server.uri)
        run_id = report.compile.run_id
        awaited(lambda: PATH in {file.path for file in client.list_artifacts(run_id)}, "the page")
        setup = f"mlflow.set_tracking_uri(&#39;{server.uri}&#39;)\n"
        wanted = report.html.replace(setup, "").replace(f" in {server.uri}, experiment", ", experiment")
        assert setup in report.html

        def page() -> str:
            return (tmp_path / client.download_artifacts(run_id, PATH, str(tmp_path))).read_text(encoding="utf-8")

        awaited(lambda: page() == wanted, "the page with all that was sent")
