"""A server with workspaces: data is logged to the workspace that was active at its start, on every path."""

from __future__ import annotations

import json
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow
import pytest
from dspy.utils.dummies import DummyLM
from mlflow import MlflowClient
from mlflow.tracking import fluent
from mlflow.tracking._workspace.client import WorkspaceProviderClient
from mlflow.utils.workspace_context import WorkspaceContext

from otel_dspy.cli import main
from otel_dspy.diagnosis.checks.all_checks import examine
from otel_dspy.diagnosis.checks.stale_runs import left_running
from otel_dspy.diagnosis.finding import Level
from otel_dspy.environment.variable_names import SPOOL_DIR
from otel_dspy.mlflow import MlflowSpanProcessor, autolog
from otel_dspy.mlflow.tracking.state.process_identity import HOST_TAG, PROCESSES_TAG, host
from tests.integration.mlflow.conftest import DELIVERY
from tests.integration.mlflow.contract_spans import SpanEmitter, program_state, provider
from tests.support.mlflow_server import free_port
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.mlflow_server import MlflowServer
    from tests.support.mlflow_tree import ExperimentTree

DEFAULT = "default"
TEAMS = ("team-a", "team-b")
AWAY = f"http://127.0.0.1:{free_port()}"
"""A server that is down."""
PADDING = 600_000
"""Characters of a program that goes out in pieces."""


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An experiment's name of a test's own, in the environment; MLflow's settings are as before afterwards."""
    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    name = f"test-{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    with WorkspaceContext(None):
        yield name


def compile_once(processor: MlflowSpanProcessor, compile_id: str) -> None:
    """Emit a compile to a processor."""
    emit_compile(
        SpanEmitter(provider(processor, uuid.uuid4().int >> 97).get_tracer("otel_dspy"), compile_id=compile_id)
    )


def emit_call(processor: MlflowSpanProcessor) -> None:
    """Record a call without a compile."""
    tracer = provider(processor, uuid.uuid4().int >> 97).get_tracer("otel_dspy")
    with tracer.start_as_current_span("module P", attributes={"dspy.operation.name": "module"}):
        pass


def emit_compile(emitter: SpanEmitter) -> None:
    """A compile with one trial of two examples."""
    state = program_state("Add.", PADDING)
    with emitter.compile(state=state, rows=[{"question": "1+1", "answer": "2"}]) as span:
        with emitter.trial(0, score=50.0, state=state), emitter.evaluate([1.0, 0.0], trial=0):
            pass
        emitter.program(span, state)


def read(uri: str, workspace: str, experiment: str) -> ExperimentTree | None:
    """The content of a workspace's experiment; None if it does not exist."""
    with WorkspaceContext(workspace):
        try:
            return read_tree(uri, experiment)
        except LookupError:
            return None


def compiles(uri: str, workspace: str, experiment: str, calls: int = 0) -> list[str]:
    """Ids of the compiles there, each of which is complete; beside them there are traces of so many calls."""
    tree = read(uri, workspace, experiment)
    if tree is None:
        return []
    assert [trace.name for trace in tree.traces] == ["module P"] * calls
    for run in tree.runs:
        assert (run.status, [child.status for child in run.children]) == ("FINISHED", ["FINISHED"])
        assert {"best_model.json", "initial_model.json"} <= set(run.artifacts)
        assert run.metrics["score/full"] == ((0, 50.0),)
        assert [model.status for model in run.models] == ["READY"]
        assert [trace.state for trace in run.traces] == ["OK"]
        (trial,) = run.children
        assert "model.json" in trial.artifacts
        assert [trace.state for trace in trial.traces] == ["OK", "OK"]
    return sorted(run.tags["dspy.compile.id"] for run in tree.runs)


def test_each_compile_goes_to_the_workspace_in_which_it_began(
    workspace_server: MlflowServer, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three in turn, by `set_experiment`, by the environment and in no workspace, all written in the last one's time."""
    processor = MlflowSpanProcessor()
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(workspace_server.uri)
    try:
        compile_once(processor, "none")
        for team in TEAMS:
            mlflow.set_workspace(team)
            mlflow.set_experiment("by-id")
            compile_once(processor, f"{team} by id")
            monkeypatch.setattr(fluent, "_active_experiment_id", None)
            monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", experiment)
            monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
            compile_once(processor, f"{team} by name")
        mlflow.set_workspace("team-a")
        emitter = SpanEmitter(provider(processor, uuid.uuid4().int >> 97).get_tracer("otel_dspy"))
        with mlflow.start_run():
            with emitter.evaluate([1.0]):
                mlflow.set_workspace("team-b")  # in its midst
            mlflow.set_workspace("team-a")
        mlflow.set_workspace("team-b")
    finally:
        assert processor.force_flush(DELIVERY)
        processor.shutdown()
        mlflow.set_tracking_uri(before)  # pyright: ignore[reportArgumentType] - None: it forgets
    assert processor.lost == 0
    assert compiles(workspace_server.uri, DEFAULT, experiment) == ["none"]
    assert compiles(workspace_server.uri, "team-b", experiment) == ["team-b by name"]
    assert [compiles(workspace_server.uri, team, "by-id") for team in (DEFAULT, *TEAMS)] == [
        [], ["team-a by id"], ["team-b by id"],
    ]  # fmt: skip
    of_a = read(workspace_server.uri, "team-a", experiment)
    assert of_a is not None
    assert [(found.tags.get("dspy.compile.id"), len(found.traces)) for found in of_a.runs] == [
        ("team-a by name", 1), (None, 2),
    ]  # fmt: skip
    assert of_a.runs[1].metrics["score/full"] == ((0, 100.0),)


def test_threads_in_two_workspaces_at_once(workspace_server: MlflowServer, experiment: str) -> None:
    """Interleaved compiles, each trial begun after the other thread has set its workspace: nothing is mixed."""
    processor = MlflowSpanProcessor(tracking_uri=workspace_server.uri, experiment=experiment)
    turn = threading.Barrier(len(TEAMS))

    def work(team: str) -> None:
        for number in range(2):
            mlflow.set_workspace(team)
            turn.wait(DELIVERY / 1000)
            compile_once(processor, f"{team} {number}")

    with ThreadPoolExecutor(len(TEAMS)) as pool:
        for done in [pool.submit(work, team) for team in TEAMS]:
            done.result()
    assert processor.force_flush(DELIVERY)
    processor.shutdown()
    assert processor.lost == 0
    for team in TEAMS:
        assert compiles(workspace_server.uri, team, experiment) == [f"{team} 0", f"{team} 1"]


def test_autolog_in_each_workspace_and_in_one_of_its_own(
    workspace_server: MlflowServer, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real compiles: each in the active workspace; one passed to `autolog` takes precedence."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace_server.uri)
    autolog()
    try:
        for team in TEAMS:
            mlflow.set_workspace(team)
            optimize(team)
        autolog(workspace="team-a")
        optimize("own")
    finally:
        autolog(disable=True)
    found = {team: read(workspace_server.uri, team, experiment) for team in TEAMS}
    names = {team: [run.name for run in tree.runs] for team, tree in found.items() if tree is not None}
    optimizer = "BootstrapFewShot Predict"
    assert names == {"team-a": [optimizer] * 2, "team-b": [optimizer]}
    inputs = {
        team: [run.artifacts["trainset.json"]["data"][0] for run in tree.runs]
        for team, tree in found.items()
        if tree is not None
    }
    assert [[row[0] for row in rows] for rows in inputs.values()] == [["team-a", "own"], ["team-b"]]


def optimize(question: str) -> None:
    """Compile a program with a training set of one example."""
    example = dspy.Example(question=question, answer="2").with_inputs("question")
    with dspy.context(lm=DummyLM(cast("Any", [{"answer": "2"}] * 9))):
        dspy.BootstrapFewShot(max_labeled_demos=0).compile(dspy.Predict("question -> answer"), trainset=[example])


def left_behind(folder: Path, monkeypatch: pytest.MonkeyPatch, uri: str, *workspaces: str) -> list[Path]:
    """Spool files of a compile in each of these workspaces, not delivered to MLflow."""
    monkeypatch.setenv(SPOOL_DIR, str(folder))
    processor = MlflowSpanProcessor(tracking_uri=uri)
    for workspace in workspaces:
        mlflow.set_workspace(workspace)
        compile_once(processor, f"of {workspace}")
    processor.shutdown(wait=False)
    mlflow.set_workspace(None)
    return sorted(folder.iterdir())


def test_a_replay_writes_to_the_workspaces_of_the_file(
    workspace_server: MlflowServer,
    server: MlflowServer,
    experiment: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the replaying process has set; a server without workspaces rejects it unless `--workspace ''` is given."""
    files = left_behind(tmp_path, monkeypatch, AWAY, *TEAMS)
    replay = ["replay", "--keep", *map(str, files), "--tracking-uri"]
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-b")
    assert main([*replay, workspace_server.uri]) == 0
    assert [compiles(workspace_server.uri, team, experiment) for team in TEAMS] == [["of team-a"], ["of team-b"]]
    assert main([*replay, server.uri]) == 1
    monkeypatch.delenv("MLFLOW_WORKSPACE")
    assert MlflowClient(server.uri).get_experiment_by_name(experiment) is None
    assert main([*replay, server.uri, "--workspace", ""]) == 0
    assert {run.tags["dspy.compile.id"] for run in read_tree(server.uri, experiment).runs} == {"of team-a", "of team-b"}


def test_a_replay_to_another_workspace(
    workspace_server: MlflowServer, experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--workspace` wins; lines without a workspace, of an earlier version, go to that of the replaying process."""
    named, plain = (left_behind(tmp_path / name, monkeypatch, AWAY, "team-a") for name in ("named", "plain"))
    for file in plain:
        file.write_text("".join(map(without_workspace, file.read_text().splitlines())))
    to = ["--tracking-uri", workspace_server.uri, "--experiment"]
    assert main(["replay", *map(str, named), *to, experiment, "--workspace", "team-b"]) == 0
    assert compiles(workspace_server.uri, "team-b", experiment) == ["of team-a"]
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-b")
    assert main(["replay", *map(str, plain), *to, f"{experiment}-old"]) == 0
    assert compiles(workspace_server.uri, "team-b", f"{experiment}-old") == ["of team-a"]


def without_workspace(line: str) -> str:
    """A line as an earlier version wrote it."""
    request = json.loads(line)
    resource = request["resourceSpans"][0]["resource"]
    resource["attributes"] = [entry for entry in resource["attributes"] if entry["key"] != "otel_dspy.spool.workspace"]
    return json.dumps(request) + "\n"


def test_a_workspace_that_is_not_there(
    workspace_server: MlflowServer, experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its spans are kept, others are not held up; a replay before it is there fails and keeps the file."""
    monkeypatch.setenv(SPOOL_DIR, str(tmp_path))
    late = f"late-{uuid.uuid4().hex[:8]}"
    processor = MlflowSpanProcessor(tracking_uri=workspace_server.uri)
    mlflow.set_workspace(late)
    with monkeypatch.context() as by_id:
        # MLflow is asked for nothing before the spans: not even its version, which has no answer in such a workspace.
        by_id.delenv("MLFLOW_EXPERIMENT_NAME")
        by_id.setenv("MLFLOW_EXPERIMENT_ID", "0")
        emit_call(processor)
    for workspace in (late, "team-a"):
        mlflow.set_workspace(workspace)
        compile_once(processor, f"of {workspace}")
    assert processor.force_flush(DELIVERY)
    assert compiles(workspace_server.uri, "team-a", experiment) == ["of team-a"]
    processor.shutdown()
    assert processor.lost == 0
    files = sorted(tmp_path.iterdir())
    assert main(["replay", *map(str, files)]) == 1
    assert sorted(tmp_path.iterdir()) == files
    mlflow.set_workspace(None)
    WorkspaceProviderClient(workspace_server.uri).create_workspace(late)
    assert main(["replay", *map(str, files), "--experiment", experiment]) == 0
    assert compiles(workspace_server.uri, late, experiment, calls=1) == [f"of {late}"]
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_checks_the_workspace(workspace_server: MlflowServer, server: MlflowServer) -> None:
    """A workspace that the server has; one that it has not; a server without workspaces."""

    def found(uri: str, workspace: str) -> list[tuple[Level, str]]:
        findings = examine({"MLFLOW_TRACKING_URI": uri, "MLFLOW_WORKSPACE": workspace})
        return [(one.level, one.text) for one in findings if one.subject == "mlflow"][1:]

    uri = workspace_server.uri
    assert found(uri, "team-a") == [(Level.OK, f"{uri} is reachable, workspace team-a")]
    ((level, text),) = found(uri, "team-z")
    assert level is Level.PROBLEM
    assert text.startswith(f"MLFLOW_WORKSPACE=team-z cannot be used with {uri}: ")
    assert "Workspace 'team-z' not found" in text
    ((level, text),) = found(server.uri, "team-a")
    assert level is Level.PROBLEM
    assert "does not support workspaces" in text


def test_the_doctor_ends_the_runs_of_the_workspace(workspace_server: MlflowServer, experiment: str) -> None:
    """A run that an exited process left RUNNING is found in its own workspace only."""
    client = MlflowClient(workspace_server.uri)
    with WorkspaceContext("team-a"):
        tags = {HOST_TAG: host(), PROCESSES_TAG: f"{os.getpid()}@1"}
        run = client.create_run(client.create_experiment(experiment), tags=tags)

    def ended(workspace: str) -> list[str]:
        variables = {"MLFLOW_TRACKING_URI": workspace_server.uri, "MLFLOW_WORKSPACE": workspace}
        return [finding.text for finding in left_running(variables, end=True)]

    assert ended("team-b") == ["0 runs left RUNNING by ended processes of this host were marked as KILLED"]
    assert ended("team-a") == ["1 run left RUNNING by ended processes of this host was marked as KILLED"]
    with WorkspaceContext("team-a"):
        assert client.get_run(run.info.run_id).info.status == "KILLED"
