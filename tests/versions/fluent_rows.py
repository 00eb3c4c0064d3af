"""MLflow's tracing API around and inside DSPy's calls: prints, as JSON, which rows of docs/migrating.md's table are true.

A process of its own, so that no other span processor or MLflow setting of a test takes part.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import mlflow as untyped_mlflow
from dspy.utils import DummyLM

from otel_dspy.mlflow import autolog, flush
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Callable

mlflow = cast("Any", untyped_mlflow)
TIMEOUT: Final = 120.0


class Handled(dspy.Module):
    """A program that uses MLflow's tracing API inside of its call, as far as its arguments select."""

    def __init__(self, inside: Callable[[], object] = bool) -> None:
        super().__init__()
        self.answer = dspy.Predict("question -> answer")
        self._inside = inside

    def forward(self, question: str) -> Any:
        """Answer."""
        self._inside()
        return self.answer(question=question)


def _around() -> bool:
    with mlflow.start_span("around"):
        Handled()(question="1")
    (trace,) = _traces()
    return _parents(trace)["module Handled"] == "around"


def _inside() -> bool:
    def look_up() -> None:
        with mlflow.start_span("look up"):
            pass

    Handled(look_up)(question="1")
    (trace,) = _traces()
    return _parents(trace)["look up"] == "module Handled"


def _update() -> bool:
    Handled(lambda: mlflow.update_current_trace(tags={"team": "a"}))(question="1")
    (trace,) = _traces()
    return trace.info.tags.get("team") == "a"


def _span() -> bool:
    def annotate() -> None:
        span = mlflow.get_current_active_span()
        if span is not None:
            span.set_attribute("team", "a")
            span.set_outputs({"said": "2"})

    Handled(annotate)(question="1")
    (trace,) = _traces()
    (span,) = [span for span in trace.data.spans if span.name == "module Handled"]
    return (span.get_attribute("team"), span.outputs) == ("a", {"said": "2"})


def _feedback() -> bool:
    Handled()(question="1")
    mlflow.log_feedback(trace_id=mlflow.get_last_active_trace_id(), name="helpful", value=True)
    (trace,) = _traces()
    return [score.name for score in trace.info.assessments] == ["helpful"]


def _off() -> bool:
    mlflow.tracing.disable()
    try:
        Handled()(question="1")
    finally:
        mlflow.tracing.enable()
    return _traces() == []


CALLS: Final[dict[str, Callable[[], bool]]] = {
    "a DSPy call inside `@mlflow.trace` or `mlflow.start_span`": _around,
    "`mlflow.start_span` inside a module": _inside,
    "`mlflow.get_current_active_span()` inside a module": _span,
    "`mlflow.update_current_trace(session_id=…, user=…, tags=…)` inside a module": _update,
    "`mlflow.log_feedback(trace_id=mlflow.get_last_active_trace_id())`": _feedback,
    "`mlflow.tracing.disable()`": _off,
}
"""Rows of the table, each with what checks it."""


def _traces() -> list[Any]:
    assert flush(TIMEOUT)
    if hasattr(mlflow, "flush_trace_async_logging"):
        mlflow.flush_trace_async_logging()
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("fluent")
    return list(client.search_traces(experiment_ids=[experiment.experiment_id]))


def _parents(trace: Any) -> dict[str, str | None]:
    names = {span.span_id: span.name for span in trace.data.spans}
    return {span.name: names.get(span.parent_id) for span in trace.data.spans}


def main(folder: Path) -> None:
    """Check each row with a database of its own below the folder, and print `{row: whether it is true}`."""
    found: dict[str, bool] = {}
    for index, (row, is_true) in enumerate(CALLS.items()):
        own = folder / str(index)
        own.mkdir()
        mlflow.set_tracking_uri(blank_store(own))
        mlflow.set_experiment("fluent")
        autolog()
        with dspy.context(lm=DummyLM([{"answer": "2"}] * 5)):
            found[row] = is_true()
        autolog(disable=True)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
