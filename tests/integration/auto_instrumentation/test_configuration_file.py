"""OpenTelemetry's declarative configuration: one file instead of environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.code_blocks import blocks
from tests.support.blank_store import store_with_experiment
from tests.support.instrumented_process import ROOT, run_instrumented
from tests.support.mlflow_tree import read_tree
from tests.support.otlp_receiver import otlp_receiver

if TYPE_CHECKING:
    from tests.docs.code_blocks import Block

PROGRAM = Path(__file__).with_name("program.py")


def the_file(text: str) -> Block:
    """The file of the documentation that holds this text."""
    (found,) = [
        block for block in blocks(ROOT / "docs" / "without-code.md") if block.language == "yaml" and text in block.text
    ]
    return found


def test_settings_and_exporter_by_file(tmp_path: Path) -> None:
    """The file of the documentation: spans to OTLP, every setting under the instrumentation's name."""
    file = tmp_path / "otel.yaml"
    with otlp_receiver() as receiver:
        file.write_text(the_file("otlp_http").text.replace("http://127.0.0.1:4318", receiver.endpoint))
        done = run_instrumented(PROGRAM, OTEL_CONFIG_FILE=str(file))
        assert done.returncode == 0, done.stderr
        spans = receiver.spans()
    assert "already instrumented" not in done.stderr
    values = {(attribute.key, attribute.value.string_value) for span in spans for attribute in span.attributes}
    inputs = {value for name, value in values if name == "dspy.module.input"}
    assert inputs
    assert "dspy.program.state" not in {name for name, _ in values}
    # `nested`: examples are in the compile's trace.
    assert len({span.trace_id for span in spans}) == 2


@pytest.mark.slow
def test_mlflow_by_file(tmp_path: Path) -> None:
    """MLflow as an exporter in the file is MLflow as in the environment, texts included."""
    file = tmp_path / "otel.yaml"
    file.write_text(the_file("mlflow").text)
    uri = store_with_experiment(tmp_path, "by file")
    done = run_instrumented(
        PROGRAM, OTEL_CONFIG_FILE=str(file), MLFLOW_TRACKING_URI=uri, MLFLOW_EXPERIMENT_NAME="by file"
    )
    assert done.returncode == 0, done.stderr
    (run,) = read_tree(uri, "by file").runs
    assert (run.status, len(run.children)) == ("FINISHED", 4)
    assert "best_model.json" in run.artifacts
