"""Destination of MLflow calls, by the settings of MLflow and of `autolog`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pytest
from mlflow.tracking import fluent
from mlflow.utils.workspace_context import WorkspaceContext

from otel_dspy.mlflow import destination
from otel_dspy.mlflow.destination import current
from otel_dspy.mlflow.processor import MlflowSpanProcessor
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.requests import workspaces

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE, THERE = "http://here:5000", "http://there:5000"


@pytest.fixture(autouse=True)
def _mlflow_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MLflow has no settings, and those of a test are removed."""
    with monkeypatch.context() as patch:
        for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):
            patch.delenv(variable, raising=False)
        patch.setattr(fluent, "_active_experiment_id", None)
        before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        mlflow.set_tracking_uri(None)  # pyright: ignore[reportArgumentType] - it forgets
        yield
        mlflow.set_tracking_uri(before)  # pyright: ignore[reportArgumentType] - the same


def chosen_at_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `set_tracking_uri` and `set_experiment` leave behind."""
    mlflow.set_tracking_uri(HERE)
    monkeypatch.setattr(fluent, "_active_experiment_id", "7")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "7")


@pytest.mark.parametrize("recorded", [None, HERE, f"{HERE}/"])
def test_an_experiment_that_mlflow_was_set_to_holds_there(
    recorded: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its id, which belongs to MLflow's tracking URI, whether or not that is also named explicitly."""
    chosen_at_here(monkeypatch)
    assert current(recorded, None) == (Destination(recorded or HERE, Experiment(id="7"), ""), None)


def test_an_id_of_one_place_is_no_id_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another destination than MLflow's: the experiment of the known name, else the default one, none by its id."""
    chosen_at_here(monkeypatch)
    assert current(THERE, None) == (Destination(THERE, Experiment(name="Default"), ""), None)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert current(THERE, None) == (Destination(THERE, Experiment(name="mine"), ""), None)
    assert current(THERE, "ours") == (Destination(THERE, Experiment(name="ours"), ""), None)


def test_an_id_in_the_environment_is_of_the_one_place_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow has no tracking URI, so the id can only belong to the given one."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "7")
    assert current(THERE, None) == (Destination(THERE, Experiment(id="7"), ""), None)


def test_a_run_in_the_environment_is_the_users_where_its_experiment_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """As set by `mlflow run` and resumed by `mlflow.start_run`; not for a tracking URI other than MLflow's."""
    mlflow.set_tracking_uri(HERE)
    monkeypatch.setenv("MLFLOW_RUN_ID", "a1")
    assert current(None, None) == (Destination(HERE, Experiment(name="Default"), ""), None)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "7")
    assert current(None, None) == (Destination(HERE, Experiment(id="7"), ""), "a1")
    assert current(THERE, None) == (Destination(THERE, Experiment(name="Default"), ""), None)
    assert current(None, "ours") == (Destination(HERE, Experiment(name="ours"), ""), None)


def test_the_workspace_is_that_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's, at whatever place; ours wins, and what is known of the other one's ids and runs does not hold there."""
    chosen_at_here(monkeypatch)
    monkeypatch.setenv("MLFLOW_RUN_ID", "a1")
    with WorkspaceContext("team-a"):
        assert current(None, None) == (Destination(HERE, Experiment(id="7"), "team-a"), "a1")
        assert current(None, None, "team-a") == (Destination(HERE, Experiment(id="7"), "team-a"), "a1")
        assert current(THERE, None) == (Destination(THERE, Experiment(name="Default"), "team-a"), None)
        assert current(None, None, "team-b") == (Destination(HERE, Experiment(name="Default"), "team-b"), None)
        assert current(None, None, "") == (Destination(HERE, Experiment(name="Default"), ""), None)
        assert current(None, "ours", "team-b") == (Destination(HERE, Experiment(name="ours"), "team-b"), None)
    assert current(None, None, "default") == (Destination(HERE, Experiment(id="7"), "default"), "a1")


def test_an_mlflow_without_workspaces_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older MLflow has no workspaces, whatever the environment sets."""
    monkeypatch.setattr(workspaces, "_mlflow", None)
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-a")
    chosen_at_here(monkeypatch)
    assert current(None, None) == (Destination(HERE, Experiment(id="7")), None)


def test_a_path_is_taken_as_mlflow_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `configure`, which `autolog` and the processor call; relative to the working folder at that time."""
    recorded: list[tuple[str | None, str | None, str | None]] = []

    def note(uri: str | None, experiment: str | None, workspace: str | None) -> tuple[Destination, None]:
        recorded.append((uri, experiment, workspace))
        return Destination(uri or "", Experiment()), None

    monkeypatch.setattr(destination, "current", note)
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(Path("my runs"))
    processor = MlflowSpanProcessor(tracking_uri=Path("my runs"))
    monkeypatch.chdir("/")
    processor._capture()
    assert recorded == [(mlflow.get_tracking_uri(), None, None)]
    processor.shutdown()
