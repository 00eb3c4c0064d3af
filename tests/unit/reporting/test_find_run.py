from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from otel_dspy import cli
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.runs.read_compile import read_compile
from otel_dspy.reporting.runs.run_search import find_run
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

OPTIMIZER = "dspy.optimizer.name"


def test_the_latest_optimization(tmp_path: Path) -> None:
    """Of all experiments, or of one; inner optimizations, trials and other runs are passed over."""
    client = MlflowClient(blank_store(tmp_path))
    first, second = (client.create_experiment(name) for name in ("first", "second"))
    older = client.create_run(first, start_time=1_000, tags={OPTIMIZER: "GEPA"}).info.run_id
    newer = client.create_run(second, start_time=2_000, tags={OPTIMIZER: "MIPROv2"}).info.run_id
    client.create_run(second, start_time=3_000, tags={OPTIMIZER: "LabeledFewShot", "dspy.compile.parent.id": "c" * 32})
    client.create_run(first, start_time=4_000, tags={"dspy.trial.index": "0"})
    assert find_run(client, "latest").info.run_id == newer
    assert find_run(client, "latest", "first").info.run_id == older
    assert find_run(client, older).info.run_id == older


def test_runs_without_a_report(tmp_path: Path) -> None:
    """Each has its message: another run, a trial, one that has no trials yet or never had any, none at all."""
    uri = blank_store(tmp_path)
    client = MlflowClient(uri)
    with pytest.raises(ReportError, match="There is no optimization recorded by otel-dspy in sqlite"):
        find_run(client, "latest")
    experiment = client.create_experiment("only", artifact_location=(tmp_path / "artifacts").as_uri())
    other = client.create_run(experiment, run_name="other").info.run_id
    with pytest.raises(ReportError, match=rf"Run {other} \(other\) is not an optimization recorded by otel-dspy"):
        find_run(client, other)
    running = client.create_run(experiment, tags={OPTIMIZER: "GEPA"}, run_name="GEPA p").info.run_id
    with pytest.raises(ReportError, match=rf"Run {running} \(GEPA p\) is RUNNING"):
        read_compile(uri, "latest")
    client.set_terminated(running, "KILLED")
    with pytest.raises(ReportError, match=r"was ended before the first one did \(status KILLED\)"):
        read_compile(uri, running)
    trial = client.create_run(experiment, tags={"dspy.trial.index": "3", "mlflow.parentRunId": running}).info.run_id
    with pytest.raises(ReportError, match=f"is trial 3 of an optimization, whose own run is {running}"):
        find_run(client, trial)


def test_a_store_that_does_not_exist_is_not_created(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with the reason, and leaves the folder empty."""
    assert cli.main(["report", "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db"]) == 1
    assert capsys.readouterr() == (
        "",
        (
            f"There is no MLflow store at sqlite:///{tmp_path}/mlflow.db. "
            "Name it with --tracking-uri, or set MLFLOW_TRACKING_URI.\n"
        ),
    )
    assert list(tmp_path.iterdir()) == []


def test_a_path_of_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """MLflow reads a path without a scheme as a folder of its file store: the message names the database's URI."""
    file = tmp_path / "mlflow.db"
    file.touch()
    assert cli.main(["report", "--tracking-uri", str(file)]) == 1
    assert capsys.readouterr() == ("", f"{file} is a file. If it is an SQLite database, name it sqlite:///{file}.\n")
