"""`OTEL_TRACES_EXPORTER=mlflow opentelemetry-instrument python program.py`: MLflow by environment variables alone."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from mlflow import MlflowClient

from tests.chaos.twins import differences, record
from tests.docs.code_blocks import covered_blocks, exported
from tests.support.instrumented_process import environment, run_initialized, run_instrumented, start_initialized
from tests.support.mlflow_tree import read_tree
from tests.support.otlp_receiver import otlp_receiver
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.support.mlflow_tree import RunNode

PROGRAM = Path(__file__).with_name("program.py")
ENDING = Path(__file__).with_name("ending.py")
AUTOLOGGED = "import sys, runpy, otel_dspy.mlflow; otel_dspy.mlflow.autolog(); runpy.run_path(sys.argv[1])"
OF_ITS_OWN = frozenset(
    {"id", "duration", "started"}
    | {"mlflow.traceRequestId", "gen_ai.response.id", "dspy.compile.id", "dspy.compile.parent.id"}
    | {"otel.trace_id", "otel.span_id", "otel_dspy.run", "service.instance.id", "telemetry.auto.version"}
    | {"mlflow.source.git.branch", "mlflow.source.git.repoURL"}
)
"""Ids, starts and durations, which differ from process to process, and what MLflow records of the program's file."""
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@pytest.fixture
def place(server_uri: str) -> dict[str, str]:
    """Variables that say where MLflow is: an experiment of its own."""
    return {"MLFLOW_TRACKING_URI": server_uri, "MLFLOW_EXPERIMENT_NAME": f"by-environment-{uuid.uuid4().hex[:8]}"}


def the_run(place: dict[str, str]) -> RunNode:
    """The one run at the top."""
    (run,) = read_tree(place["MLFLOW_TRACKING_URI"], place["MLFLOW_EXPERIMENT_NAME"]).runs
    return run


@pytest.mark.slow
def test_mlflow_holds_what_autolog_would_have_written(place: dict[str, str]) -> None:
    """The whole tree is the same, programs, datasets and texts included, and the program prints nothing about it."""
    [block] = covered_blocks("test_mlflow_holds_what_autolog_would_have_written")
    done = run_instrumented(PROGRAM, **exported(block) | place)
    assert done.returncode == 0, done.stderr
    assert "answer: 6" in done.stdout
    assert "opentelemetry" not in done.stderr.lower()
    twin = place | {"MLFLOW_EXPERIMENT_NAME": f"{place['MLFLOW_EXPERIMENT_NAME']}-autolog"}
    subprocess.run([sys.executable, "-c", AUTOLOGGED, PROGRAM], env=environment(**twin), check=True)
    found, expected = (
        record(server["MLFLOW_TRACKING_URI"], server["MLFLOW_EXPERIMENT_NAME"]) for server in (place, twin)
    )
    assert len(found["runs"]) == 1
    assert "best_model.json" in found["runs"][0]["artifacts"]
    assert len(found["traces"]) == 1
    lines = differences(without(found, OF_ITS_OWN), without(expected, OF_ITS_OWN))
    assert lines == [], "\n".join(lines[:5])


def without(recorded: object, names: frozenset[str]) -> object:
    """A record without what stands under these names, at any depth."""
    if isinstance(recorded, dict):
        known = cast("dict[str, object]", recorded)
        return {name: without(value, names) for name, value in known.items() if name not in names}
    if isinstance(recorded, list | tuple):
        return [without(value, names) for value in cast("list[object]", recorded)]
    return recorded


def test_with_otlp_no_content_leaves(place: dict[str, str]) -> None:
    """`otlp,mlflow`: both have every span, neither has texts, and a line on standard error names the setting for them."""
    with otlp_receiver() as receiver:
        done = run_initialized(
            PROGRAM, OTEL_TRACES_EXPORTER="otlp,mlflow", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **place
        )
        assert done.returncode == 0, done.stderr
        assert all(b"0+1" not in body for body in receiver.bodies)
        names = [span.name for span in receiver.spans()]
    trials = [name for name in names if name.startswith("trial ")]
    # HTTP clients are traced here too; what is delivered to MLflow by one must not be, or it would never end.
    assert not {"GET", "POST", "PUT", "PATCH"} & set(names)
    assert done.stderr.count(f"{CONTENT}=SPAN_ONLY") == 1
    run = the_run(place)
    assert (run.status, len(run.children), len(trials)) == ("FINISHED", 4, 4)
    assert not {"best_model.json", "trainset.json"} & set(run.artifacts)
    assert run.metrics["score/best"][-1][1] == 50.0


def test_with_otlp_content_goes_to_both_if_enabled(place: dict[str, str]) -> None:
    """The standard's switch holds for all exporters alike."""
    with otlp_receiver() as receiver:
        done = run_initialized(
            PROGRAM,
            OTEL_TRACES_EXPORTER="otlp,mlflow",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            **place,
            **{CONTENT: "SPAN_ONLY"},
        )
        assert CONTENT not in done.stderr
        assert any(b"0+1" in body for body in receiver.bodies)
    assert {"best_model.json", "trainset.json"} <= set(the_run(place).artifacts)


def test_the_standard_variable_keeps_content_out_of_mlflow(place: dict[str, str]) -> None:
    """NO_CONTENT is obeyed where MLflow is alone, too."""
    run_initialized(PROGRAM, OTEL_TRACES_EXPORTER="mlflow", **place, **{CONTENT: "NO_CONTENT"})
    run = the_run(place)
    assert not {"best_model.json", "trainset.json"} & set(run.artifacts)
    spans = [span for trace in run.traces for span in trace.walk() if span.inputs or span.outputs]
    # What these have is what was tried and the result: names, parameters, scores, usage.
    assert {span.attributes["dspy.operation.name"] for span in spans} == {"compile", "trial", "evaluate"}
    assert {name for span in spans for name in span.inputs or ()} <= {
        "optimizer", "program", "metric", "trial", "label", "kind", "parameters",
    }  # fmt: skip
    assert "+1" not in str([(span.inputs, span.outputs) for span in spans])


def test_an_unhandled_exception_is_recorded(place: dict[str, str]) -> None:
    """The program ends with its own traceback and status; MLflow has the failure and everything before it."""
    done = run_initialized(ENDING, "crash", OTEL_TRACES_EXPORTER="mlflow", **place)
    assert done.returncode == 1
    # On a busy machine the progress of the drain is printed.
    recorded = re.sub(r"(?m)^otel-dspy: \d+ spans? not yet delivered to MLflow .*$", "", done.stderr)
    assert recorded.rstrip().endswith("RuntimeError: no luck today")
    run = the_run(place)
    assert (run.status, [child.status for child in run.children]) == ("FAILED", ["FINISHED"])
    assert len(run.children[0].traces) == 2


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_is_live_and_a_signal_loses_nothing(place: dict[str, str], sign: signal.Signals) -> None:
    """While the second trial runs the first is in MLflow. Ctrl-C and SIGTERM end the run KILLED and keep the rest."""
    with start_initialized(ENDING, "wait", OTEL_TRACES_EXPORTER="mlflow", **place) as (process, output):
        seen = 0
        while seen < 2:
            line = output.readline()
            assert line, "it ended early"
            seen += line == "trial\n"
        statuses = await_first_trial(place)
        process.send_signal(sign)
        assert process.wait(PATIENCE) == -sign
    assert statuses == {"Rounds Predict": "RUNNING", "trial 0": "FINISHED"}
    run = the_run(place)
    assert run.status == "KILLED"
    assert run.children[0].metrics["score/full"] == ((0, 50.0),)


def await_first_trial(place: dict[str, str]) -> dict[str, str]:
    """The runs and their statuses as soon as a trial has ended."""
    client = MlflowClient(place["MLFLOW_TRACKING_URI"])
    statuses: dict[str, str] = {}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and statuses.get("trial 0") != "FINISHED":
        time.sleep(0.2)
        experiment = client.get_experiment_by_name(place["MLFLOW_EXPERIMENT_NAME"])
        if experiment is not None:
            runs = client.search_runs([experiment.experiment_id])
            statuses = {str(run.info.run_name): str(run.info.status) for run in runs}
    return statuses
