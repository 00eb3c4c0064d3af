"""Infos of many traces are read from a database together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow import MlflowClient

from otel_dspy.mlflow.mapping.trace_operations import LogTrace
from otel_dspy.mlflow.tracking.store.traces.trace_store import TraceStore
from tests.support.blank_store import blank_store
from tests.support.database_statements import database_statements, mlflow_store

if TYPE_CHECKING:
    from pathlib import Path


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
