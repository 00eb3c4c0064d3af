"""Infos of many traces are read from a database together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, RESOURCE_DOES_NOT_EXIST

from otel_dspy.mlflow.mapping.naming import KILLED_REASON
from otel_dspy.mlflow.mapping.trace_operations import LogTrace
from otel_dspy.mlflow.tracking.store.traces.trace_store import TraceStore
from tests.support.blank_store import blank_store
from tests.support.database_statements import database_statements, mlflow_store

if TYPE_CHECKING:
    from pathlib import Path

TRACE: Final = "1" * 32
OPEN: Final = LogTrace(key="open", trace_id=TRACE, run=None, start_ms=100)
ENDED: Final = replace(OPEN, key="ended", duration_ms=5, state="OK")


def _killed(tmp_path: Path) -> tuple[Any, TraceStore, str]:
    """MLflow's store with a trace that was ended without its end, and the experiment's id."""
    uri = blank_store(tmp_path)
    experiment = MlflowClient(uri).create_experiment("E")
    store = mlflow_store(uri)
    traces = TraceStore(store)
    traces.start_trace(experiment, OPEN, None)
    traces.end_open_trace(TRACE, {KILLED_REASON: "its process ended", "other": "kept"})
    return store, traces, experiment


def test_a_trace_that_ends_after_all_was_not_killed(tmp_path: Path) -> None:
    """Its tag goes with the actual end, not before, and alone."""
    store, traces, experiment = _killed(tmp_path)
    traces.start_trace(experiment, OPEN, None)
    assert store.get_trace_info(f"tr-{TRACE}").tags[KILLED_REASON] == "its process ended"
    traces.start_trace(experiment, ENDED, None)
    found = store.get_trace_info(f"tr-{TRACE}")
    assert (str(found.state.value), KILLED_REASON in found.tags, found.tags["other"]) == ("OK", False, "kept")


@pytest.mark.parametrize("code", [RESOURCE_DOES_NOT_EXIST, INTERNAL_ERROR])
def test_a_tag_that_another_writer_has_removed(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is ignored; another failure is not."""
    store, traces, experiment = _killed(tmp_path)

    def fail(trace_id: str, name: str) -> None:
        raise MlflowException(f"{name} of {trace_id}", error_code=code)

    monkeypatch.setattr(store, "delete_trace_tag", fail)
    if code == RESOURCE_DOES_NOT_EXIST:
        traces.start_trace(experiment, ENDED, None)
    else:
        with pytest.raises(MlflowException, match=KILLED_REASON):
            traces.start_trace(experiment, ENDED, None)


def test_statements_do_not_depend_on_the_number_of_traces(tmp_path: Path) -> None:
    """MLflow's `batch_get_trace_infos` has three for each trace."""
    uri = blank_store(tmp_path)
    experiment = MlflowClient(uri).create_experiment("E")
    store = mlflow_store(uri)
    traces = TraceStore(store)
    ids = [f"{number:032x}" for number in range(1, 41)]
    for trace_id in ids:
        traces.start_trace(experiment, LogTrace(key=trace_id, trace_id=trace_id, run=None, start_ms=100), None)
    counts: list[int] = []
    for wanted in (ids[:2], ids):
        with database_statements(uri) as statements:
            assert traces.corrections.confirmed(experiment, {trace_id: {} for trace_id in wanted}) == set(wanted)
            counts.append(len(statements))
    assert counts[0] == counts[1] < 10
    with database_statements(uri) as statements:
        assert len(store.batch_get_trace_infos([f"tr-{trace_id}" for trace_id in ids])) == len(ids)
    assert len(statements) > 3 * len(ids)
