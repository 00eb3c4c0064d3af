"""Replay of a file that MLflow rejects."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from mlflow import MlflowClient

from otel_dspy.cli import main
from otel_dspy.mlflow.delivery.spool_line import end_line, span_line
from otel_dspy.mlflow.records.route import Destination, Experiment, Options, RootKind, Route, TraceContext
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.spool_replay.replay_to_mlflow import Replay
from otel_dspy.mlflow.tracking import operation_applier
from otel_dspy.mlflow.tracking.requests import http_policy
from tests.support.blank_store import blank_store
from tests.support.mlflow_server import free_port

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TRACE, ROOT = "1" * 32, "2" * 16
CALL = SpanRecord(
    trace_id=TRACE,
    span_id=ROOT,
    parent_id=None,
    name="module P",
    kind="INTERNAL",
    start_ns=10**18,
    end_ns=10**18 + 1,
    attributes={"dspy.operation.name": "module"},
    scope="otel_dspy",
)


def spooled(folder: Path, uri: str, experiment: Experiment) -> Path:
    """A file with the trace of a call that was to go there."""
    route = Route(
        Destination(uri, experiment), TraceContext(trace_id=TRACE, root_id=ROOT, kind=RootKind.CALL), Options()
    )
    file = folder / "20260101T000000Z-1-1-traces-0001.jsonl"
    file.write_text(f"{span_line(CALL, route)}\n{end_line()}\n")
    return file


def test_what_the_installed_mlflow_has_nothing_for_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Traces with an MLflow that does not support them: the file is kept and the status is 1; a newer one stores them."""
    uri = blank_store(tmp_path)
    file = spooled(tmp_path, uri, Experiment(name="E"))
    with monkeypatch.context() as older:
        older.setattr(operation_applier.capabilities, "TRACES", False)
        assert main(["replay", str(file)]) == 1
    assert capsys.readouterr().out == (
        f"{file}: nothing was written: the installed MLflow does not support its operations; upgrade MLflow\n"
    )
    assert main(["replay", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: 1 span written\n"
    assert not file.exists()
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("E")
    assert experiment is not None
    assert [trace.info.trace_id for trace in client.search_traces(locations=[experiment.experiment_id])] == [
        f"tr-{TRACE}"
    ]


def test_all_spans_of_a_file_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The replay prints the number of spans of the file that were written."""
    uri = blank_store(tmp_path)
    file = spooled(tmp_path, uri, Experiment(name="E"))
    route = Route(
        Destination(uri, Experiment(name="E")),
        TraceContext(trace_id=TRACE, root_id=ROOT, kind=RootKind.CALL),
        Options(),
    )
    below = replace(CALL, span_id="3" * 16, parent_id=ROOT)
    file.write_text(f"{span_line(below, route)}\n{file.read_text()}")
    assert main(["replay", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: 2 spans written\n"


def test_what_mlflow_has_no_experiment_for_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For a missing experiment id no span is reported as written, and the file is kept."""
    file = spooled(tmp_path, blank_store(tmp_path), Experiment(id="77"))
    assert main(["replay", str(file)]) == 1
    assert capsys.readouterr().out == f"{file}: 2 operations on MLflow failed; replay the file again later\n"
    assert file.exists()


def test_mlflow_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence for all files, which are kept; nothing is reported as written, because nothing was."""
    monkeypatch.setitem(cast("dict[str, Any]", Replay.__init__.__kwdefaults__), "max_outage", 1.0)
    uri = f"http://127.0.0.1:{free_port()}"
    files: list[Path] = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.append(spooled(tmp_path / name, uri, Experiment(name="E")))
    assert main(["replay", *map(str, files)]) == 1
    assert capsys.readouterr().out == (
        f"MLflow has been unavailable for 1 s. These files are kept; replay them again later, or to another MLflow with --tracking-uri URI:\n{files[0]}\n{files[1]}\n"
    )
    assert all(file.exists() for file in files)


def test_mlflow_never_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that accepts connections and sends nothing is an outage long before a request's own timeout."""
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    monkeypatch.setattr(http_policy, "READ_TIMEOUT", 300.0)
    monkeypatch.setattr(http_policy, "FIRST_READ_TIMEOUT", 0.3, raising=False)
    monkeypatch.setitem(cast("dict[str, Any]", Replay.__init__.__kwdefaults__), "max_outage", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = spooled(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", Experiment(name="E"))
        began = time.monotonic()
        assert main(["replay", str(file)]) == 1
        assert time.monotonic() - began < 150
    assert capsys.readouterr().out == (
        f"MLflow has been unavailable for 0 s. These files are kept; replay them again later, or to another MLflow with --tracking-uri URI:\n{file}\n"
    )
