"""Lookup of runs in a process that records many: none is created twice, and few are kept in memory."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest

from otel_dspy.mlflow.mapping.run_keys import CompileRun
from otel_dspy.mlflow.tracking.state import run_lookup
from otel_dspy.mlflow.tracking.state.run_lookup import Runs
from otel_dspy.mlflow.tracking.store.store import RunHandle

if TYPE_CHECKING:
    from otel_dspy.mlflow.tracking.state.run_lookup import NewRun

_KEPT = 10


class _Store:
    """Has what was created in it, by tag, and counts creations."""

    def __init__(self) -> None:
        self.runs: dict[str, RunHandle] = {}
        self.created = 0

    def find_run(self, experiment_id: str, tag: str, value: str) -> RunHandle | None:
        """Find a run by its tag."""
        assert (experiment_id, tag) == ("0", run_lookup.RUN_TAG)
        return self.runs.get(value)

    def create(self, new: NewRun) -> RunHandle:
        """Create a run."""
        self.created += 1
        made = self.runs[run_lookup.run_tag(new.key)] = RunHandle(str(self.created), "")
        return made


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> _Store:
    """A store for a lookup that keeps `_KEPT` runs."""
    monkeypatch.setattr(run_lookup, "MAX_KNOWN", _KEPT)
    return _Store()


def _runs(store: _Store, *, look_up_runs: bool) -> Runs:
    return Runs(cast("Any", store), lambda: "0", store.create, look_up_runs=look_up_runs)


def _keys_in_memory(prefix: str) -> int:
    return sum(type(one) is CompileRun and one.compile_id.startswith(prefix) for one in gc.get_objects())


@pytest.mark.parametrize("look_up_runs", [False, True])
@pytest.mark.parametrize("ended", [False, True])
def test_memory_is_bounded_however_many_runs_there_are(store: _Store, *, look_up_runs: bool, ended: bool) -> None:
    """Also of runs that never end, as those of programs that were killed, which a bridge has received."""
    runs, prefix = _runs(store, look_up_runs=look_up_runs), uuid4().hex
    for number in range(20 * _KEPT):
        runs.handle(CompileRun(f"{prefix}-{number}"))
        if ended:
            runs.ended(CompileRun(f"{prefix}-{number}"))
    assert store.created == 20 * _KEPT
    assert _keys_in_memory(prefix) <= 3 * _KEPT


def test_a_run_that_is_no_longer_in_memory_is_found_by_its_tag(store: _Store) -> None:
    """Whether it was forgotten just now or long ago."""
    runs, keys = _runs(store, look_up_runs=False), [CompileRun(str(number)) for number in range(20 * _KEPT)]
    made = [runs.handle(key) for key in keys]
    assert [runs.handle(key) for key in keys] == made
    assert store.created == len(keys)
