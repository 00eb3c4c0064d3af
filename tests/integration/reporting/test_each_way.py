"""The commands on the same optimizations as written by the processor, a bridge and the app of MLflow's server."""

from __future__ import annotations

import json
import uuid
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow
import pytest
from mlflow import MlflowClient
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import otel_dspy
from otel_dspy import cli, semconv
from otel_dspy.environment.variable_names import REPORT
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.chaos.twins import differences
from tests.support.addition_task import examples, half_right
from tests.support.blank_store import store_with_experiment
from tests.support.bridges import exporter, running_bridge
from tests.support.compared_optimizations import optimize, right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.instrumented_dspy import instrumented
from tests.support.mlflow_server_app_exporters import app_exporter

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from opentelemetry.sdk.trace.export import SpanExporter

    from tests.support.mlflow_server import MlflowServer

USERS = """
import dspy

def at_most_five(example, prediction, trace=None):
    return int(prediction.answer) <= 5 if prediction.answer.isdecimal() else 0

def exact(example, prediction, trace=None):
    return example.answer == prediction.answer

program = dspy.Predict("question -> answer")

class Sums(dspy.Predict):
    def __init__(self):
        super().__init__("question -> answer")
"""


@pytest.mark.parametrize("way", ["bridge", pytest.param("server app", marks=pytest.mark.slow)])
def test_the_same_answers(
    way: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each command prints the same on both, but for ids and addresses; scores, calls and verdicts are literal."""
    monkeypatch.setenv(REPORT, "false")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    (tmp_path / "users.py").write_text(USERS, encoding="utf-8")
    experiment = f"each-{uuid.uuid4().hex[:8]}"
    own = store_with_experiment(tmp_path / "own", experiment)
    with ExitStack() as open_ones:
        if way == "bridge":
            other = store_with_experiment(tmp_path / "other", experiment)
            sender = exporter(open_ones.enter_context(running_bridge(other, experiment)), "http")
        else:
            server: MlflowServer = request.getfixturevalue("app_server")
            other = server.uri
            sender = app_exporter(server, MlflowClient(other).create_experiment(experiment))
        record(own, experiment, sender)
    answers, others = (printed(uri, experiment, tmp_path / "users.py", capsys) for uri in (own, other))
    assert differences(others, answers) == []
    compared, gate, report, best, rescored, rerun, registered = answers
    names = "BootstrapFewShotWithRandomSearch SECOND8", "BootstrapFewShotWithRandomSearch FIRST8"
    flips = "6 examples improved and 0 got worse, of 12 (p = 0.031, exact sign test)"
    assert compared["pairs"][0]["verdict"] == f"{names[0]} is better than {names[1]} by 50.0 points: {flips}."
    assert gate["line"] == (
        f"failed: {names[1]}, score 50.0 %, 50.0 points below that of {names[0]}, 100.0 %, more than the 2 allowed: "
        "0 examples improved and 6 got worse, of 12 (p = 0.031, exact sign test)"
    )
    assert report["verdict"]["headline"] == (
        "BootstrapFewShotWithRandomSearch on Predict: no trial was better than the start, 100.0 %"
    )
    assert report["usage"] == {"calls": 12, "tokens": 180, "cost": None, "unpriced_calls": 12}
    assert [one["exit_status"] for one in (compared, gate, report, rescored, rerun, registered)] == [0, 1, 0, 0, 0, 0]
    assert best == (100.0, "percent", 0, "Add the numbers.")
    assert (rescored["recorded_score"], rescored["score"], len(rescored["changed"])) == (100.0, 41.67, 7)
    assert (rerun["score"], rerun["changed"]) == (100.0, [])
    assert rerun["calls"] == {"answered": 12, "unknown": 0, "sent": 0}
    assert (registered["version"], registered["metrics"], registered["answer"]) == (1, {"score/best": 100.0}, "5")


def record(uri: str, experiment: str, sender: SpanExporter) -> None:
    """Optimize twice, recorded by the processor and over OTLP at once, so that times are the same too."""
    own = MlflowSpanProcessor(tracking_uri=uri, experiment=experiment)
    sent = BatchSpanProcessor(sender, schedule_delay_millis=200, max_export_batch_size=64)
    with instrumented(own, sent) as provider:
        for answer, instruction in ((half_right, "Add."), (right, "Add the numbers.")):
            optimize(answer, instruction, examples(12))
    assert sent.force_flush(240_000)
    assert own.force_flush(240_000)
    provider.shutdown()


def printed(uri: str, experiment: str, users: Path, capsys: pytest.CaptureFixture[str]) -> list[Any]:
    """What the commands print as JSON, and the best program."""
    client = MlflowClient(uri)
    found: Any = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"])
    first, second = (str(run.info.run_id) for run in runs if semconv.DSPY_TRIAL_INDEX not in run.data.tags)
    names = {first: "FIRST", second: "SECOND", first[:8]: "FIRST8", second[:8]: "SECOND8", uri: "URI"}
    parents = {run.info.run_id: run.data.tags.get("mlflow.parentRunId") for run in runs}
    names |= {run: f"TRIAL OF {names[parent]}" for run, parent in parents.items() if parent is not None}
    capsys.readouterr()

    def run(*command: str) -> dict[str, Any]:
        status = cli.main([*command, "--json", "--tracking-uri", uri])
        text = capsys.readouterr().out
        for name, stands_for in names.items():
            text = text.replace(name, stands_for)
        return {**json.loads(text), "exit_status": status}

    best = otel_dspy.best_program(second, dspy.Predict("question -> answer"), tracking_uri=uri)
    answers: list[Any] = [
        run("compare", first, second),
        run("gate", first, "--baseline", second),
        run("report", second),
        (best.score, best.unit, best.trial, cast("Any", best.program).signature.instructions),
        run("rerun", second, "--trial", "0", "--metric", f"{users}:at_most_five"),
        run("rerun", second, "--trial", "0", "--metric", f"{users}:exact", "--program", f"{users}:program"),
    ]
    with current_store(uri):
        answers.append(run("register", second, "--name", experiment, "--program", f"{users}:Sums", "--no-prompts"))
        with dspy.context():  # `load_model` sets DSPy's settings
            loaded: Any = cast("Any", mlflow).dspy.load_model(f"models:/{experiment}/1")
    with dspy.context(lm=in_process_lm(dspy_script({"answer": right}))):
        answers[-1] |= {"answer": loaded(question="2+3").answer}
    return answers


@contextmanager
def current_store(uri: str) -> Generator[None]:
    """MLflow's current store, from which models are loaded."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
