"""Traces of otel-dspy that MLflow's fluent API returns as the last active one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import mlflow
from mlflow.pyfunc.context import Context, set_prediction_context
from mlflow.tracing import fluent as mlflow_fluent

from otel_dspy.mlflow.fluent.tracing import announce

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    import pytest

TRACE = "ab" * 16


class _Finder:
    """A finder of `sys.meta_path` that finds nothing and records what is looked for."""

    def __init__(self) -> None:
        self.looked_for: list[str] = []

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Record."""
        self.looked_for.append(name)
        return None


def test_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The import of `mlflow.pyfunc` takes a second on the program's thread and warns: an error with `simplefilter("error")`."""
    finder = _Finder()
    monkeypatch.delitem(sys.modules, "mlflow.pyfunc.context")
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    announce(TRACE)
    assert finder.looked_for == []
    assert mlflow.get_last_active_trace_id() == f"tr-{TRACE}"


def test_a_prediction_of_an_evaluation_has_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """`mlflow.evaluate` looks up the trace of each row by the id of its request."""
    traces = dict[str, str]()
    monkeypatch.setattr(mlflow_fluent, "_EVAL_REQUEST_ID_TO_TRACE_ID", traces)
    with set_prediction_context(Context(request_id="row 1", is_evaluate=True)):
        announce(TRACE)
    assert traces == {"row 1": f"tr-{TRACE}"}
