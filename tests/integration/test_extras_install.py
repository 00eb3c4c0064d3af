"""The extras as the README names them: each part works where the other one is not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTRUMENTED = """
import importlib.util, json
import dspy
from dspy.utils import DummyLM
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otel_dspy import DSPyInstrumentor

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
DSPyInstrumentor().instrument(tracer_provider=provider)
dspy.configure(lm=DummyLM([{"answer": "4"}]))
dspy.Predict("question -> answer")(question="2+2")
spans = [span.name for span in exporter.get_finished_spans()]
print(json.dumps({"mlflow": importlib.util.find_spec("mlflow") is not None, "spans": spans}))
"""
MAPPED = """
import importlib.util, json
from otel_dspy.mlflow import MlflowSpanProcessor

MlflowSpanProcessor(tracking_uri="sqlite:///mlflow.db").shutdown()
print(json.dumps({"dspy": importlib.util.find_spec("dspy") is not None}))
"""
TRACKED = """
import json
import dspy, mlflow
from dspy.utils import DummyLM
import otel_dspy.mlflow

otel_dspy.mlflow.autolog()
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("installed")
dspy.configure(lm=DummyLM([{"answer": "4"}] * 2))
examples = [dspy.Example(question="2+2", answer="4").with_inputs("question")] * 2
dspy.Evaluate(devset=examples, metric=lambda example, got, trace=None: example.answer == got.answer)(
    dspy.Predict("question -> answer")
)
otel_dspy.mlflow.autolog(disable=True)
runs = mlflow.search_runs(experiment_names=["installed"], output_format="list")
print(json.dumps({"scores": [run.data.metrics["eval"] for run in runs]}))
"""


def _installed(wheel: Path, extras: str, folder: Path, program: str) -> dict[str, Any]:
    """Install the wheel with its extras into a new environment, in the pinned versions; run the program there."""
    uv = shutil.which("uv", path=f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    installer = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    pins = _names_and_versions(folder)
    subprocess.run([*installer, "--quiet", "--constraint", pins, f"{wheel}[{extras}]"], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        [python, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _names_and_versions(folder: Path) -> Path:
    """The pins without their hashes: with hashes, pip would ask for one of the wheel under test too."""
    lines = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8").splitlines()
    pins = folder / "constraints.txt"
    kept = [line.removesuffix(" \\") for line in lines if "==" in line]
    pins.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return pins


@pytest.mark.registry
def test_the_instrumentor_works_without_mlflow(wheel: Path, tmp_path: Path) -> None:
    """`otel-dspy[instruments,otlp]` records a call where MLflow is not installed."""
    told = _installed(wheel, "instruments,otlp", tmp_path, INSTRUMENTED)
    assert told == {"mlflow": False, "spans": ["chat dummy", "module Predict"]}


@pytest.mark.registry
def test_the_mlflow_wing_works_without_dspy(wheel: Path, tmp_path: Path) -> None:
    """`otel-dspy[mlflow]` can take spans where DSPy is not installed, as a bridge must."""
    assert _installed(wheel, "mlflow", tmp_path, MAPPED) == {"dspy": False}


@pytest.mark.registry
def test_the_readme_install_line(wheel: Path, tmp_path: Path) -> None:
    """`otel-dspy[instruments,mlflow]` is all that the README's first program needs."""
    assert _installed(wheel, "instruments,mlflow", tmp_path, TRACKED) == {"scores": [100.0]}
