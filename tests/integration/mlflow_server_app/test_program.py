"""A program that sends to MLflow's own endpoint, configured by environment variables alone."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from otel_dspy.diagnosis.checks.exporters import exporters
from otel_dspy.diagnosis.finding import Level
from tests.docs.code_blocks import covered_blocks, exported
from tests.integration.auto_instrumentation.test_mlflow_by_environment import PROGRAM
from tests.support.instrumented_process import run_initialized
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from tests.support.mlflow_server import MlflowServer


def test_a_program_needs_the_endpoint_and_the_instrumentation(app_server: MlflowServer) -> None:
    """The variables of the documentation: a run with its model and a trace for the call, as `autolog` writes them."""
    [block] = covered_blocks("test_a_program_needs_the_endpoint_and_the_instrumentation")
    experiment = f"sums-{uuid.uuid4().hex[:8]}"
    own = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": app_server.uri,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "200",  # a loaded machine
        "OTEL_RESOURCE_ATTRIBUTES": f"mlflow.experiment.name={experiment}",
    }
    done = run_initialized(PROGRAM, **exported(block) | own)
    assert done.returncode == 0, done.stderr
    tree = read_tree(app_server.uri, experiment)
    (run,) = tree.runs
    assert (run.status, "best_model.json" in run.artifacts, len(tree.traces)) == ("FINISHED", True, 1)


def test_the_doctor_finds_no_problem_in_the_environment_of_the_page(app_server: MlflowServer) -> None:
    """No header is missing: the app takes the experiment from the resource."""
    [block] = covered_blocks("test_a_program_needs_the_endpoint_and_the_instrumentation")
    own = {"OTEL_EXPORTER_OTLP_ENDPOINT": app_server.uri, "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    findings = [one for one in exporters(exported(block) | own) if one.level is not Level.OK]
    (finding,) = findings
    assert finding.level is Level.NOTE
    assert "with the app otel-dspy" in finding.text
