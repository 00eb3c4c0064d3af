"""Runs and experiments that somebody deletes in MLflow while they are written."""

from __future__ import annotations

import itertools
import logging
import uuid
from typing import TYPE_CHECKING, Any, Final

import pytest
from mlflow import MlflowClient

from otel_dspy.cli import main
from tests.chaos import twins
from tests.chaos.twins import DELIVERY, differences, exporting_to, optimize, record
from tests.support import addition_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from otel_dspy.mlflow import MlflowSpanProcessor

WHEN_DELETED: Final = 12
"""Call of the metric in which something is deleted."""


@pytest.fixture(autouse=True)
def _experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment of the test's own."""
    monkeypatch.setattr(twins, "EXPERIMENT", f"deleted-{uuid.uuid4().hex[:8]}")


def test_a_run_that_is_deleted_while_it_is_written(
    store: str, second_store: str, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line names the run of a compile; restored and replayed, it has everything: its trace has no scores."""
    client, deleted = MlflowClient(second_store), list[str]()

    def delete(experiment_id: str) -> None:
        (run,) = client.search_runs([experiment_id], "attributes.run_name LIKE 'MIPROv2%'")
        client.delete_run(run.info.run_id)
        deleted.append(run.info.run_id)

    with caplog.at_level(logging.WARNING), exporting_to(store, second_store) as processors:
        _optimize_and(delete, client, processors)
    (run_id,) = deleted
    assert caplog.text.count(f"Run {run_id} was deleted, alone or with its experiment, in MLflow at") == 1
    assert caplog.text.count("was deleted") == 1
    assert "rejected" not in caplog.text
    client.restore_run(run_id)
    assert main(["replay", "--tracking-uri", second_store, str(spool)]) == 0
    assert differences(record(second_store), record(store)) == []
    assert list(spool.glob("*")) == []


@pytest.mark.slow
def test_an_experiment_that_is_deleted_while_it_is_written(
    store: str, second_store: str, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Restored and replayed, it lacks at most the scores that MLflow has deleted with the runs.

    The spool has some of them again: a file that is kept has lines of spans that were delivered before.
    """
    client, deleted = MlflowClient(second_store), list[str]()

    def delete(experiment_id: str) -> None:
        client.delete_experiment(experiment_id)
        deleted.append(experiment_id)

    with caplog.at_level(logging.WARNING), exporting_to(store, second_store) as processors:
        _optimize_and(delete, client, processors)
    assert "rejected" not in caplog.text
    client.restore_experiment(*deleted)
    # An example's score and its expected values are sent together, and MLflow deletes the score alone.
    written = [trace for trace in _traces(record(second_store)) if trace["expectations"]]
    assert written
    assert [trace["assessments"] for trace in written] == [()] * len(written)
    assert main(["replay", "--tracking-uri", second_store, str(spool)]) == 0
    found, expected = record(second_store), record(store)
    unscored = {trace["id"] for trace in written} & {
        trace["id"] for trace in _traces(found) if not trace["assessments"]
    }
    for trace in _traces(expected):
        if trace["id"] in unscored:
            trace["assessments"] = ()
    assert differences(found, expected) == []
    assert list(spool.glob("*")) == []


def _optimize_and(
    delete: Callable[[str], None], client: MlflowClient, processors: Sequence[MlflowSpanProcessor]
) -> None:
    """Optimize, and delete something in the second store's experiment, which has its id, once there are scores."""
    calls = itertools.count(1)

    def exact(example: Any, prediction: Any, trace: object = None) -> bool:
        if next(calls) == WHEN_DELETED:
            assert processors[1].force_flush(DELIVERY)
            (experiment,) = (one for one in client.search_experiments() if one.name == twins.EXPERIMENT)
            delete(experiment.experiment_id)
        return addition_task.exact(example, prediction, trace)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(twins, "exact", exact)
        optimize(trials=3)
    for processor in processors:
        assert processor.force_flush(DELIVERY)
        assert processor.lost == 0


def _traces(part: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All traces of a `record`, or of a run of one."""
    yield from part["traces"]
    for run in part.get("runs", part.get("children", [])):
        yield from _traces(run)
