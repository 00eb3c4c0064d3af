"""MLflow workspace of a request, by thread and by environment."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import WorkspaceContext, get_request_workspace

from otel_dspy.mlflow.tracking.requests import workspaces
from otel_dspy.mlflow.tracking.requests.error_classification import ErrorClass, classify
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.requests.retry import Retrier
from otel_dspy.mlflow.tracking.requests.workspaces import NoWorkspacesError, active, same, selected

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    with WorkspaceContext(None):
        yield


def on_a_thread(work: object) -> list[object]:
    """What a callable returns on a new thread."""
    found: list[object] = []
    assert callable(work)
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found


def test_the_active_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment, else by `set_workspace`, which a new thread sees too; none is not the same as unknown."""
    assert active() == ""
    monkeypatch.setenv("MLFLOW_WORKSPACE", "by-environment")
    assert active() == "by-environment"
    mlflow.set_workspace("by-call")
    assert active() == "by-call"
    assert on_a_thread(active) == ["by-call"]
    monkeypatch.setattr(workspaces, "_mlflow", None)
    assert active() is None


@pytest.mark.parametrize("wanted", ["mine", ""])
def test_a_block_has_its_own(wanted: str) -> None:
    """A name or none, whatever is set before or meanwhile; other threads and later calls are not affected."""
    mlflow.set_workspace("before")
    with selected(wanted):
        assert (get_request_workspace() or "") == wanted
        on_a_thread(lambda: mlflow.set_workspace("meanwhile"))
        assert (get_request_workspace() or "") == wanted
        assert on_a_thread(get_request_workspace) == ["meanwhile"]
        assert os.environ["MLFLOW_WORKSPACE"] == "meanwhile"
        with selected("inner"):
            assert get_request_workspace() == "inner"
        with selected(None):
            assert (get_request_workspace() or "") == wanted
    assert get_request_workspace() == "before"
    assert os.environ["MLFLOW_WORKSPACE"] == "meanwhile"
    with WorkspaceContext("after"):
        assert active() == "after"


def test_blocks_side_by_side() -> None:
    """Two threads, each in its own."""
    turn = threading.Barrier(2, timeout=60)
    found: dict[str, list[str | None]] = {"a1": [], "b1": []}

    def work(name: str) -> None:
        for _ in range(3):
            with selected(name):
                turn.wait()
                found[name].append(get_request_workspace())

    threads = [threading.Thread(target=work, args=(name,)) for name in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"a1": ["a1"] * 3, "b1": ["b1"] * 3}


def test_an_mlflow_without_workspaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block for none or for whatever does nothing; one for a name fails rather than go elsewhere."""
    monkeypatch.setattr(workspaces, "_mlflow", None)
    for workspace in (None, ""):
        with selected(workspace):
            pass
    with pytest.raises(NoWorkspacesError, match="cannot write to workspace 'mine'"), selected("mine"):
        pass


def test_none_is_the_default_one() -> None:
    """By name or not."""
    assert same(None, "default")
    assert same("", "default")
    assert same("a", "a")
    assert not same("a", "")


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("RESOURCE_DOES_NOT_EXIST: Workspace 'team-a' not found"),
        MlflowException(
            "Active workspace 'team-a' cannot be used because the remote server does not support workspaces."
        ),
        MlflowException("Workspace APIs are not available: workspaces are not enabled on this server"),
        MlflowException("Active workspace is required. Configure a default workspace"),
        MlflowException("Workspace name 'A' must be between 2 and 63 characters."),
        MlflowException("Workspace name 'Team' must match the pattern ^[a-z0-9]$"),
        MlflowException("Workspace name 'api' is reserved and cannot be used."),
        NoWorkspacesError("MLflow 3.0 has no workspaces"),
    ],
)
@pytest.mark.parametrize("others", [False, True])
def test_a_workspace_that_is_not_there(error: Exception, caplog: pytest.LogCaptureFixture, *, others: bool) -> None:
    """Not retried if other destinations are queued; kept for a replay, with one warning; a bridge's client is rejected."""
    assert classify(error, 500) is ErrorClass.NO_WORKSPACE
    tried = Retrier("http://m", threading.Event(), lambda: None, workspace="team-a", others=others)
    calls: list[int] = []

    def attempt() -> None:
        calls.append(len(calls))
        raise error

    expected = Outcome.REJECTED if others else Outcome.FAILED
    assert tried.run("EnsureRun", attempt).outcome is expected
    assert tried.run("LogTable", attempt).outcome is expected
    assert (len(calls), tried.failing_since) == (2, None)
    if not others:
        assert [record.getMessage() for record in caplog.records] == [
            (
                "MLflow at http://m (workspace team-a) has no workspace for EnsureRun; restore it or configure another; "
                f"it is kept in the spool for `otel-dspy replay`: {error}"
            )
        ]
