"""An experiment that MLflow is set to, a program with a span of MLflow's inside, and the traces of both."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow as untyped_mlflow

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import autolog, flush
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.mlflow_tree import SpanNode, TraceNode

mlflow = cast("Any", untyped_mlflow)
DELIVERY = 120.0
"""Seconds that a delivery may take on a loaded machine."""


@contextmanager
def fluent_experiment(uri: str, name: str | None = None) -> Generator[str]:
    """An experiment that MLflow is set to, a fresh one by default, with `autolog` on; this is the only store."""
    name = name or f"fluent-{uuid.uuid4().hex[:12]}"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(name)
    autolog()
    with dspy.context(lm=in_process_lm(dspy_script({"answer": lambda _: "2"}))):
        yield name
    autolog(disable=True)
    DSPyInstrumentor().uninstrument()
    mlflow.set_tracking_uri(before)


def traces(name: str) -> list[TraceNode]:
    """All traces of the experiment, those of its runs included, oldest first."""
    assert flush(DELIVERY)
    mlflow.flush_trace_async_logging()
    tree = read_tree(mlflow.get_tracking_uri(), name)
    return [*tree.traces, *(found for run in tree.walk() for found in run.traces)]


def names(span: SpanNode) -> object:
    """A span's name with those below it."""
    return {span.name: [names(child) for child in span.children]} if span.children else span.name


class Answering(dspy.Module):
    """Two calls, one of them in a span of MLflow's."""

    def __init__(self, **update: Any) -> None:
        super().__init__()
        self.first = dspy.Predict("question -> answer")
        self.second = dspy.Predict("question -> answer")
        self._update = update

    def forward(self, question: str) -> Any:
        """Answer."""
        with mlflow.start_span("look up"):
            self.first(question=question)
        if self._update:
            mlflow.update_current_trace(**self._update)
            mlflow.log_feedback(trace_id=mlflow.get_active_trace_id(), name="inside", value=1.0)
        return self.second(question=question)


INSIDE = {
    "module Answering": [
        {"look up": [{"module Predict": ["chat scripted"]}]},
        {"module Predict": ["chat scripted"]},
    ]
}
"""Spans of a call of `Answering`."""
