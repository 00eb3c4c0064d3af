"""Failing artifact stores: only artifacts are delayed, and none is lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from mlflow import MlflowClient

from otel_dspy.cli import main
from otel_dspy.mlflow.spool_replay.replay_to_mlflow import Replay
from tests.chaos import twins
from tests.chaos.twins import DELIVERY, differences, exporting_to, optimize, record
from tests.support.object_store import EXPIRED, SLOW_DOWN, object_store
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from otel_dspy.mlflow.spool_replay.file_result import FileResult
    from tests.support.object_store import ObjectStore

DEADLINE = 120.0
FINISHED = ["FINISHED"] * 6
"""Statuses of the optimization's runs: compiles and trials."""


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Generator[ObjectStore]:
    """An object store that MLflow's clients write to."""
    with object_store() as running:
        running.serve_clients(monkeypatch)
        yield running


def _experiment(tracking_uri: str, artifact_location: str) -> None:
    MlflowClient(tracking_uri).create_experiment(twins.EXPERIMENT, artifact_location)


def _statuses(tracking_uri: str) -> list[str]:
    client = MlflowClient(tracking_uri)
    experiment = client.get_experiment_by_name(twins.EXPERIMENT)
    assert experiment is not None
    return [str(run.info.status) for run in client.search_runs([experiment.experiment_id])]


def _await_end(tracking_uri: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while _statuses(tracking_uri) != FINISHED:
        assert time.monotonic() < deadline, _statuses(tracking_uri)
        time.sleep(0.1)


def _names(paths: Iterable[str]) -> list[str]:
    """What stands below the artifact folders of runs and models."""
    return sorted(path.partition("/artifacts/")[2] for path in paths)


def _files(folder: Path) -> list[str]:
    return _names(str(path) for path in folder.rglob("*") if path.is_file())


def _without_artifacts(found: Any) -> Any:
    """A record without artifacts, and what follows from them."""
    if isinstance(found, dict):
        return {
            name: _without_artifacts(value)
            for name, value in cast("dict[str, Any]", found).items()
            if name not in {"artifacts", "models", "outputs", "mlflow.loggedArtifacts"}
        }
    if isinstance(found, list | tuple):
        return [_without_artifacts(value) for value in cast("list[Any]", found)]
    return found


def test_an_object_store_that_rejects_for_a_while_gets_all(
    store: str, second_store: str, objects: ObjectStore, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """`SlowDown` until all else is logged: then the artifacts follow, and nothing stays in the spool."""
    _experiment(store, f"{spool.parent}/reference")
    _experiment(second_store, "s3://bucket/mine")
    objects.fault = SLOW_DOWN
    with exporting_to(store, second_store) as (reference, processor):
        optimize(trials=1)
        _await_end(second_store)
        awaited(lambda: objects.failed, "an upload")
        assert objects.objects == {}
        awaited(lambda: "control" in {path.name.split("-")[3] for path in spool.glob("*")}, "a file of the spool")
        objects.fault = None
        assert processor.force_flush(DELIVERY)
        assert reference.force_flush(DELIVERY)
        assert (processor.lost, reference.lost) == (0, 0)
        assert list(spool.iterdir()) == []
    assert "best_model.json" in _names(objects.objects)
    assert differences(record(second_store), record(store)) == []
    assert caplog.text.count("The artifact store s3://bucket") == 1


def test_what_a_store_has_not_taken_at_the_end_is_replayed(
    store: str, second_store: str, objects: ObjectStore, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Credentials that have expired for good: the spool keeps the artifacts until a replay finds others."""
    _experiment(store, f"{spool.parent}/reference")
    _experiment(second_store, "s3://bucket/mine")
    objects.fault = EXPIRED
    with exporting_to(store, second_store) as (_, processor):
        optimize(trials=1)
        _await_end(second_store)
        processor.shutdown()
    left = sorted(spool.iterdir())
    assert [path.name.split("-")[3] for path in left] == ["control"]
    assert "Their spans are in the spool; deliver them with: otel-dspy replay" in caplog.text
    assert differences(_without_artifacts(record(second_store)), _without_artifacts(record(store))) == []
    results: list[FileResult] = []
    Replay(max_outage=0.5).run(left, results.append)
    assert [result.trouble is not None for result in results] == [True]
    objects.fault = None
    assert main(["replay"]) == 0
    assert list(spool.iterdir()) == []
    assert differences(record(second_store), record(store)) == []


def test_a_path_that_cannot_be_written_here_keeps_back_artifacts_alone(
    store: str, second_store: str, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A path of the server's (ENOTDIR): all else of the same runs is logged, and a replay writes the artifacts."""
    tmp_path = spool.parent
    _experiment(store, f"{spool.parent}/reference")
    (tmp_path / "file").write_text("")
    _experiment(second_store, f"{tmp_path}/file/mine")
    with exporting_to(store, second_store) as (reference, processor):
        optimize(trials=1)
        assert processor.force_flush(DELIVERY)
        assert reference.force_flush(DELIVERY)
        assert (processor.lost, reference.lost) == (0, 0)
        assert _statuses(second_store) == FINISHED
    assert caplog.text.count("Artifacts cannot be written to") == 1
    assert f"Artifacts cannot be written to {tmp_path}/file/mine on this machine" in caplog.text
    assert {path.name.split("-")[3] for path in spool.iterdir()} == {"control", "traces"}
    (tmp_path / "file").unlink()
    assert main(["replay"]) == 0
    assert list(spool.iterdir()) == []
    assert _files(tmp_path / "file") == _files(spool.parent / "reference")
    assert differences(record(second_store), record(store)) == []
