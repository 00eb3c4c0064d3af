"""Failures of user code and of MLflow: the records, and that the program continues."""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import TYPE_CHECKING

import dspy
import mlflow
import pytest
from mlflow import dspy as mlflow_dspy

import otel_dspy.mlflow
from otel_dspy.cli import main
from tests.integration.end_to_end.conftest import SERVER_IS_SLOW, optimize, tracked
from tests.support.addition_task import addition_lm, exact, examples, half_right, raising_metric
from tests.support.blank_store import blank_store
from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import scripted_lm
from tests.support.mlflow_server import free_port
from tests.support.mlflow_tree import read_tree
from tests.support.optimizers import Breaking, Rounds
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "planted-key-0123456789abcdef"


@SERVER_IS_SLOW
@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("no luck today"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_a_compile_that_raises(tracking_uri: str, error: BaseException, status: str) -> None:
    """The parent run ends FAILED with the error's type and text, KILLED on Ctrl-C; its trial stays; no best model."""
    name = f"raises {status}"
    with tracked(tracking_uri, name), dspy.context(lm=addition_lm()), pytest.raises(type(error)):
        Breaking(error).compile(dspy.Predict("question -> answer"), trainset=examples(2))
    (run,) = read_tree(tracking_uri, name).runs
    assert run.status == status
    assert {"initial_model.json", "trainset.json"} <= set(run.artifacts)
    assert "best_model.json" not in run.artifacts
    assert [(trial.status, trial.metrics["score/full"]) for trial in run.children] == [("FINISHED", ((0, 50.0),))]
    recorded = " ".join(run.tags.values())
    assert type(error).__name__ in recorded
    assert str(error) in recorded


def test_an_example_that_failed_is_in_the_table(tracking_uri: str) -> None:
    """Its row has the error, its trace is an ERROR whose assessment carries it, and the others are as ever."""
    with tracked(tracking_uri, "table"), dspy.context(lm=addition_lm()):
        dspy.Evaluate(devset=examples(3), metric=raising_metric, num_threads=1)(dspy.Predict("question -> answer"))
    (run,) = read_tree(tracking_uri, "table").runs
    table = run.artifacts["result_table.json"]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert ["ValueError" in str(row["error"]) for row in rows] == [True, False, False]
    states = {
        trace.name: (trace.state, [(a.name, a.value, a.error) for a in trace.assessments])
        for trace in run.traces
        if "example" in str(trace.name)
    }
    assert states == {
        "Predict example 0": ("ERROR", [("raising_metric", None, ("ValueError", "the metric is broken"))]),
        "Predict example 1": ("OK", [("raising_metric", 1.0, None)]),
        "Predict example 2": ("OK", [("raising_metric", 0.0, None)]),
    }
    assert (run.status, run.metrics["score/errors"]) == ("FINISHED", ((0, 1.0),))
    assert {name: value for name, value in run.tags.items() if "error" in name or "failures" in name} == {
        "dspy.failures.first.type": "ValueError",
        "dspy.failures.first.message": "the metric is broken",
    }


def test_a_server_that_is_down_does_not_affect_the_optimization(caplog: pytest.LogCaptureFixture) -> None:
    """The optimization gives what it gives untracked, in about the same time; what was lost is logged."""
    began = time.monotonic()
    expected = optimize().dump_state()
    untracked_seconds = time.monotonic() - began
    otel_dspy.mlflow.autolog(tracking_uri=f"http://127.0.0.1:{free_port()}", experiment="down")
    try:
        began = time.monotonic()
        assert optimize().dump_state() == expected
        tracked_seconds = time.monotonic() - began
    finally:
        with caplog.at_level(logging.WARNING):
            otel_dspy.mlflow.autolog(disable=True)
    # Not a measure of speed: a program that waited for the dead server would take minutes.
    assert tracked_seconds < untracked_seconds + 20
    assert "is unavailable; retrying" in caplog.text


@pytest.mark.parametrize("wrong", ["path", "scheme", "experiment"])
def test_a_wrong_destination_loses_nothing(
    wrong: str, server_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning names it, all is in the spool, and a replay to the right one writes all."""
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT", "1")
    uri = {"path": f"{server_uri}/mlflow", "scheme": server_uri.replace("http:", "htp:")}.get(wrong, server_uri)
    name = "x" * 600 if wrong == "experiment" else f"wrong {wrong}"

    def warnings() -> list[str]:
        return [one.getMessage() for one in list(caplog.records) if one.name.endswith("tracking.requests.outage_log")]

    with caplog.at_level(logging.WARNING), tracked(uri, name), dspy.context(lm=addition_lm()):
        Rounds(exact).compile(dspy.Predict("question -> answer"), trainset=examples(2))
        awaited(warnings, "a warning")  # the exit waits for a second only
    expected = {
        "path": "(there is no MLflow tracking store at this URI: status 404). No data is lost.",
        "scheme": "(there is no MLflow tracking store at this URI: MLflow has no tracking store for the scheme of this URI)",
        "experiment": "no usable experiment",
    }[wrong]
    assert [expected in warning for warning in warnings()] == [True]
    assert "rejected" not in caplog.text
    to = blank_store(tmp_path)
    arguments = [] if wrong != "experiment" else ["--experiment", "right"]
    assert main(["replay", *arguments, "--tracking-uri", to, *map(str, (tmp_path / "spool").iterdir())]) == 0
    (run,) = read_tree(to, "right" if wrong == "experiment" else name).runs
    assert run.status == "FINISHED"
    assert [(trial.name, trial.status, len(trial.traces)) for trial in run.children] == [
        ("trial 0", "FINISHED", 2),
        ("trial 1", "FINISHED", 2),
    ]


def test_mlflows_own_autologging_causes_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once, in words that say what to do."""
    mlflow.set_tracking_uri(blank_store(tmp_path))
    mlflow_dspy.autolog()
    try:
        with tracked(f"sqlite:///{tmp_path / 'mlflow.db'}", "both"), dspy.context(lm=addition_lm()):
            dspy.Evaluate(devset=examples(1), metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    finally:
        mlflow_dspy.autolog(disable=True)
        # Otherwise its thread sends the trace during a later test, when the store is gone.
        mlflow.flush_trace_async_logging(terminate=True)
    warnings = [
        record.getMessage() for record in caplog.records if "mlflow.dspy.autolog(disable=True)" in record.getMessage()
    ]
    assert len(warnings) == 1


def _files(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def test_no_secret_reaches_mlflow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A key and a header on every LM, optimizer and tool: neither the store, nor an artifact, nor a log has them."""
    with scripted_lm(dspy_script({"answer": half_right})) as server:
        lm = dspy.LM(
            "openai/gpt-4o-mini",
            api_base=server.api_base,
            api_key=SECRET,
            extra_headers={"X-Secret": SECRET},
            cache=False,
        )
        program = dspy.ChainOfThought("question -> answer")
        program.set_lm(lm)
        with (
            caplog.at_level(logging.DEBUG, "otel_dspy"),
            dspy.context(lm=lm),
            tracked(blank_store(tmp_path), "secrets"),
        ):
            optimizer = dspy.MIPROv2(
                exact,
                auto=None,
                num_candidates=2,
                num_threads=1,
                max_bootstrapped_demos=1,
                max_labeled_demos=1,
                prompt_model=lm,
                task_model=lm,
                teacher_settings={"lm": lm},
            )
            optimizer.compile(program, trainset=examples(3), valset=examples(3), num_trials=1, minibatch=False)
            program(question="1+1")
        assert any(SECRET in str(request.headers) for request in server.requests)
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    (runs,) = connection.execute("select count(*) from runs").fetchone()
    connection.close()
    assert runs > 2
    assert not any(SECRET.encode() in content for content in _files(tmp_path))
    assert SECRET not in caplog.text
    assert SECRET not in "".join(capfd.readouterr())
