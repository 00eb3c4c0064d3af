"""Names of tables that a writer keeps: of runs that are written, not of those whose end never comes."""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from otel_dspy.mlflow.mapping.operations import LogTable
from otel_dspy.mlflow.mapping.run_keys import CompileRun
from otel_dspy.mlflow.tracking.artifacts import table_writer
from otel_dspy.mlflow.tracking.artifacts.table_writer import TableWriter
from otel_dspy.mlflow.tracking.runs.run_batch import RunBatch

if TYPE_CHECKING:
    from collections.abc import Callable


class Key(CompileRun):
    """A run's key that can be counted: without slots."""


class Writer:
    """A writer strategy whose artifacts are written at once, or never."""

    def __init__(self, *, shared: bool, accepts: bool) -> None:
        self.paths: list[str] = []
        self.batches: dict[object, RunBatch] = {}
        self.tags: dict[str, str] = {}
        self.runs = self
        self.connection = SimpleNamespace(store=lambda: self)
        self._shared, self._accepts = shared, accepts

    def handle(self, _run: object, _start_ms: int) -> SimpleNamespace:
        """Return the handle of any run."""
        return SimpleNamespace(run_id="r", artifact_uri="mem:")

    def shares_tables(self, _run: object) -> bool:
        """Whether other processes write tables of the run."""
        return self._shared

    def write_artifact(self, _uri: str, path: str, _text: str, written: Callable[[], None] | None = None) -> None:
        """Write an artifact, unless the store rejects all."""
        self.paths.append(path)
        if self._accepts and written is not None:
            written()

    def run_tags(self, _run_id: str) -> dict[str, str]:
        """Return the tags of the one run that the store has."""
        return dict(self.tags)

    def log_run(self, _run_id: str, _params: object, _points: object, tags: dict[str, str]) -> None:
        """Log tags."""
        self.tags |= tags

    def batch(self, run: object) -> RunBatch:
        """Return what is sent with the run's next metrics."""
        return self.batches.setdefault(str(run), RunBatch())


def _writer(*, shared: bool, accepts: bool) -> tuple[TableWriter, Writer]:
    strategy = Writer(shared=shared, accepts=accepts)
    return TableWriter(cast("Any", strategy), cast("Any", strategy)), strategy


def _table(run: CompileRun, key: str) -> LogTable:
    return LogTable(key=key, run=run, path="t.json", columns=["a"], rows=[[1]], start_ms=1)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("accepts", [False, True])
def test_runs_whose_end_never_comes_are_bounded(
    monkeypatch: pytest.MonkeyPatch, *, shared: bool, accepts: bool
) -> None:
    """Their programs were killed: the names of the latest alone are kept."""
    monkeypatch.setattr(table_writer, "MAX_RUNS", 3)
    tables, strategy = _writer(shared=shared, accepts=accepts)
    kept: weakref.WeakSet[Key] = weakref.WeakSet()
    for number in range(10):
        run = Key(f"c{number}")
        kept.add(run)
        tables.write(_table(run, "k"))
        strategy.tags.clear()
        del run
    assert len(kept) <= 3


def test_a_shared_run_whose_tables_are_listed_is_not_kept() -> None:
    """Their names are its tags."""
    tables, strategy = _writer(shared=True, accepts=True)
    run = Key("c")
    kept = weakref.ref(run)
    tables.write(_table(run, "k"))
    tables.write(_table(run, "l"))
    assert strategy.paths == ["t.json", "t_2.json"]
    del run
    assert kept() is None


def test_a_run_that_is_written_outlives_those_that_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second table does not replace the first, whatever other runs have begun meanwhile."""
    monkeypatch.setattr(table_writer, "MAX_RUNS", 3)
    tables, strategy = _writer(shared=False, accepts=True)
    for number in range(10):
        tables.write(_table(CompileRun("long"), f"k{number}"))
        tables.write(_table(CompileRun(f"c{number}"), "k"))
        tables.write(_table(CompileRun(f"d{number}"), "k"))
    assert strategy.paths[::3] == ["t.json", *(f"t_{number}.json" for number in range(2, 11))]
